//! What the node owns, and coins on chain.

use super::channels::{settled, state};
use super::{NodeService, argument, once, refusal};
use crate::engine::Reading;
use astrape_api::v1::{
    BumpFeeRequest, BumpFeeResponse, ChannelFunds, Coin, CoinState, GetBalanceRequest, GetBalanceResponse,
    ListFundsRequest, ListFundsResponse, NewAddressRequest, NewAddressResponse, RecoverRequest,
    RecoverResponse, RecoveredOutput, RecoverySweep, WalletReading, WithdrawRequest, WithdrawResponse,
};
use astrape_channel::{Open, Phase};
use astrape_node::command::{BumpFeeCommand, WithdrawCommand};
use astrape_node::request::Errand;
use astrape_node::{Command, Node, Reply};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Height, Msat, Network, Side};
use bitcoin::Address;
use tonic::Status;

impl NodeService {
    /// Coins are spent, and channels opened with them, only once the wallet has read what has become of them, and by a feerate of today.
    pub(super) fn check_wallet(&self, feerate: Option<FeeratePerKw>) -> Result<(), Status> {
        if let Some(minutes) = self.handle.fees_too_old().filter(|_| feerate.is_none()) {
            return Err(refusal::old_fees(minutes));
        }
        match self.handle.wallet_reading() {
            Some(reading) => Err(refusal::reading(&reading)),
            None => Ok(()),
        }
    }

    pub(super) async fn new_address(&self, _: NewAddressRequest) -> Result<NewAddressResponse, Status> {
        let address = self.handle.new_address().await.map_err(refusal::address)?;
        Ok(NewAddressResponse { address: address.to_string() })
    }

    pub(super) async fn get_balance(&self, _: GetBalanceRequest) -> Result<GetBalanceResponse, Status> {
        let node = self.snapshot();
        let coins = node.coin_balance();
        let reading = self.handle.wallet_reading();
        let mut balance = GetBalanceResponse {
            confirmed_sat: coins.confirmed.0,
            unconfirmed_sat: coins.unconfirmed.0,
            immature_sat: coins.immature.0,
            reserved_sat: coins.reserved.0,
            reserve_sat: node.anchor_reserve().0,
            reserve_missing_sat: node.missing_reserve().0,
            wallet_reading: reading.map(wallet_reading),
            ..GetBalanceResponse::default()
        };
        for (keys, channel) in node.channels() {
            match &channel.phase {
                Phase::Open(open) => {
                    balance.channels_local_msat += settled(open, Side::Local).0;
                    balance.channels_remote_msat += settled(open, Side::Remote).0;
                    balance.in_flight_msat += in_flight(open).0;
                }
                Phase::Closing(closing) => {
                    balance.closing_msat += share(&node, keys, &closing.open).0;
                    if closing.open.funding.spent.is_none() {
                        balance.in_flight_msat += in_flight(&closing.open).0;
                    }
                }
                Phase::Opening(_) | Phase::Closed(_) => {}
            }
        }
        Ok(balance)
    }

    pub(super) async fn list_funds(&self, _: ListFundsRequest) -> Result<ListFundsResponse, Status> {
        let node = self.snapshot();
        let (tip, network) = (node.height(), self.handle.network());
        Ok(ListFundsResponse {
            coins: node.own_coins().map(|found| coin(found, tip, network)).collect(),
            channels: channel_funds(&node),
        })
    }

    pub(super) async fn withdraw(&self, request: WithdrawRequest) -> Result<WithdrawResponse, Status> {
        let named = once::named("Withdraw", request.request_id.as_deref(), &request)?;
        if let Some(before) = self.recall(named.as_ref()).await? {
            return once::withdrawn(&before);
        }
        let script = argument::script("address", &request.address, self.handle.network())?;
        let amount = match (request.amount_sat, request.all) {
            (Some(amount), false) => Some(argument::sat("amount_sat", amount)?),
            (None, true) => None,
            (Some(_), true) => return Err(argument::invalid("amount_sat", "give either an amount or all")),
            (None, false) => {
                return Err(argument::invalid("amount_sat", "it is missing, and `all` is not asked for"));
            }
        };
        let feerate = argument::feerate("feerate_perkw", request.feerate_perkw)?;
        let change_script = self.handle.change_script().await.map_err(refusal::address)?;
        self.check_wallet(feerate)?;
        let WithdrawRequest { spend_reserve, accept_high_fee, .. } = request;
        let command =
            WithdrawCommand { script, amount, feerate, spend_reserve, accept_high_fee, change_script };
        let command = Errand::Withdraw(Box::new(command)).by(named);
        let reply = self.handle.command(command).await.map_err(refusal::command)?;
        let sent = once::withdrawn(&once::outcome(reply)?)?;
        Ok(WithdrawResponse { warning: not_sent(&self.handle.chain_status()), ..sent })
    }

    pub(super) async fn bump_fee(&self, request: BumpFeeRequest) -> Result<BumpFeeResponse, Status> {
        let txid = argument::txid("txid", &request.txid)?;
        let feerate = argument::feerate("feerate_perkw", request.feerate_perkw)?;
        let change_script = self.handle.change_script().await.map_err(refusal::address)?;
        self.check_wallet(feerate)?;
        let spend_reserve = request.spend_reserve;
        let command = BumpFeeCommand { txid, feerate, spend_reserve, change_script };
        let reply = self.handle.command(Command::BumpFee(Box::new(command))).await;
        let Reply::Bumped(bumped) = reply.map_err(refusal::command)? else {
            return Err(Status::internal("the node answered something else"));
        };
        Ok(BumpFeeResponse {
            txid: txid.to_string(),
            child_txid: bumped.child.to_string(),
            fee_sat: bumped.fee.0,
            feerate_perkw: bumped.feerate.0,
            warning: not_sent(&self.handle.chain_status()),
        })
    }

    pub(super) async fn recover(&self, request: RecoverRequest) -> Result<RecoverResponse, Status> {
        let feerate = argument::feerate("feerate_perkw", request.feerate_perkw)?;
        if request.only_look && feerate.is_some() {
            return Err(argument::invalid(
                "feerate_perkw",
                "nothing is swept where only a look is asked for",
            ));
        }
        let feerate = (!request.only_look).then(|| feerate.unwrap_or_else(|| self.snapshot().feerate()));
        let recovered = self.handle.recover(feerate).await.map_err(refusal::recover)?;
        let outputs = recovered.found.into_iter().map(|found| RecoveredOutput {
            outpoint: found.outpoint.to_string(),
            amount_sat: found.value.0,
            confirmations: found.confirmations,
            txid: found.swept_by.map(|txid| txid.to_string()),
        });
        let sweeps = recovered.sweeps.into_iter().map(|swept| RecoverySweep {
            txid: swept.txid.to_string(),
            amount_sat: swept.amount.0,
            fee_sat: swept.fee.0,
            refused: swept.refused,
        });
        Ok(RecoverResponse { outputs: outputs.collect(), sweeps: sweeps.collect() })
    }
}

/// How far the wallet is.
pub(super) fn wallet_reading(reading: Reading) -> WalletReading {
    WalletReading { read_height: reading.read.0, tip_height: reading.tip.0 }
}

/// What is ours in a channel. Once its funding is spent the chain says so output by output, and what is claimed of it is a coin.
pub(super) fn share(node: &Node, keys: ChannelKeysId, open: &Open) -> Msat {
    match open.funding.spent {
        Some(_) => node.close_sums(&keys).unwrap_or_default().pending.to_msat(),
        None => settled(open, Side::Local),
    }
}

/// What to say of a transaction while the chain source does not answer.
fn not_sent(chain: &astrape_chain::Status) -> Option<String> {
    matches!(chain, astrape_chain::Status::Unreachable { .. } | astrape_chain::Status::Starting).then(|| {
        format!("It is not broadcast yet ({chain}): the node does it by itself as soon as it can. Do not ask for it again.")
    })
}

/// What is in flight in a channel, both ways.
fn in_flight(open: &Open) -> Msat {
    open.htlcs.values().map(|htlc| htlc.amount).sum()
}

fn coin(coin: &astrape_wallet::Coin, tip: Height, network: Network) -> Coin {
    let state = if coin.reserved.is_some() {
        CoinState::Reserved
    } else if coin.confirmations(tip) == 0 {
        CoinState::Unconfirmed
    } else if coin.is_immature(tip) {
        CoinState::Immature
    } else {
        CoinState::Confirmed
    };
    let address = Address::from_script(&coin.found.script_pubkey, network.to_bitcoin());
    Coin {
        outpoint: coin.outpoint().to_string(),
        amount_sat: coin.amount().0,
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        confirmations: coin.confirmations(tip),
        state: state.into(),
    }
}

fn channel_funds(node: &Node) -> Vec<ChannelFunds> {
    let funds = node.channels().filter_map(|(keys, channel)| {
        let open = channel.open()?;
        let ours = share(node, keys, open);
        // All that was ours of it is among the coins.
        let is_gone = open.funding.spent.is_some() && ours == Msat::ZERO;
        (!is_gone).then(|| ChannelFunds {
            channel_id: channel.channel_id().to_string(),
            peer: channel.peer().to_string(),
            funding_outpoint: open.funding.terms.outpoint.to_string(),
            capacity_sat: open.funding.terms.capacity.0,
            local_msat: ours.0,
            state: state(node, channel).into(),
        })
    });
    funds.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::Timestamp;

    #[test]
    fn a_withdrawal_that_cannot_be_broadcast_yet_says_so() {
        let reason = "bitcoind does not answer".to_owned();
        let gone = astrape_chain::Status::Unreachable { since: Timestamp(1), reason };
        let told = not_sent(&gone).expect("it is told");
        assert!(told.contains("not broadcast yet (bitcoind does not answer)"), "{told}");
        let behind = astrape_chain::Status::CatchingUp { at: Height(1), target: Height(2) };
        assert_eq!(not_sent(&behind), None, "it is broadcast all the same");
    }
}
