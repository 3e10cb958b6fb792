//! What the node owns, and coins on chain.

use super::Asking;
use crate::cli::amounts::AmountOrAll;
use crate::cli::arguments::{BumpFee, Recover, Withdraw};
use crate::cli::exit::Failure;
use crate::cli::output::waiting;
use crate::render;
use astrape_api::v1::{
    BumpFeeRequest, GetBalanceRequest, ListFundsRequest, NewAddressRequest, RecoverRequest, WithdrawRequest,
};

impl Asking {
    pub(super) async fn newaddr(mut self) -> Result<(), Failure> {
        let answer = self.client.new_address(NewAddressRequest {}).await?.into_inner();
        self.show(&answer, |answer| answer.address.clone())
    }

    pub(super) async fn balance(mut self) -> Result<(), Failure> {
        let balance = self.client.get_balance(GetBalanceRequest {}).await?.into_inner();
        self.show(&balance, render::money::balance)
    }

    pub(super) async fn listfunds(mut self) -> Result<(), Failure> {
        let funds = self.client.list_funds(ListFundsRequest {}).await?.into_inner();
        self.show(&funds, render::money::funds)
    }

    pub(super) async fn withdraw(mut self, withdraw: &Withdraw) -> Result<(), Failure> {
        let (amount_sat, all) = match withdraw.amount {
            AmountOrAll::Amount(amount) => (Some(amount.0), false),
            AmountOrAll::All => (None, true),
        };
        let request = WithdrawRequest {
            address: withdraw.address.clone(),
            amount_sat,
            all,
            feerate_perkw: withdraw.fees.per_kw(),
            spend_reserve: withdraw.spend_reserve,
            accept_high_fee: withdraw.accept_high_fee,
            request_id: withdraw.request_id.clone(),
        };
        let done = self.client.withdraw(request).await?.into_inner();
        self.show(&done, render::money::withdrawn)
    }

    pub(super) async fn recover(mut self, recover: &Recover) -> Result<(), Failure> {
        let request = RecoverRequest { feerate_perkw: recover.fees.per_kw(), only_look: recover.only_look };
        let looking = waiting("bitcoind looks through all unspent outputs, which takes some minutes");
        let done = self.client.recover(request).await;
        looking.finish_and_clear();
        self.show(&done?.into_inner(), render::money::recovered)
    }

    pub(super) async fn bumpfee(mut self, bump: &BumpFee) -> Result<(), Failure> {
        let request = BumpFeeRequest {
            txid: bump.txid.clone(),
            feerate_perkw: bump.fees.per_kw(),
            spend_reserve: bump.spend_reserve,
        };
        let done = self.client.bump_fee(request).await?.into_inner();
        self.show(&done, render::money::bumped)
    }
}
