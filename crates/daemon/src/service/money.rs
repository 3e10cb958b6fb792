//! What the node owns, and coins on chain.

use super::channels::{settled, state};
use super::{NodeService, argument, once, refusal};
use astrape_api::v1::{
    ChannelFunds, Coin, CoinState, GetBalanceRequest, GetBalanceResponse, ListFundsRequest,
    ListFundsResponse, NewAddressRequest, NewAddressResponse, WithdrawRequest, WithdrawResponse,
};
use astrape_channel::{Open, Phase};
use astrape_node::Node;
use astrape_node::command::WithdrawCommand;
use astrape_node::request::Errand;
use astrape_primitives::{Height, Msat, Network, Side};
use bitcoin::Address;
use tonic::Status;

impl NodeService {
    pub(super) async fn new_address(&self, _: NewAddressRequest) -> Result<NewAddressResponse, Status> {
        let address = self.handle.new_address().await.map_err(refusal::address)?;
        Ok(NewAddressResponse { address: address.to_string() })
    }

    pub(super) async fn get_balance(&self, _: GetBalanceRequest) -> Result<GetBalanceResponse, Status> {
        let node = self.snapshot();
        let coins = node.coin_balance();
        let mut balance = GetBalanceResponse {
            confirmed_sat: coins.confirmed.0,
            unconfirmed_sat: coins.unconfirmed.0,
            immature_sat: coins.immature.0,
            reserved_sat: coins.reserved.0,
            reserve_sat: node.anchor_reserve().0,
            reserve_missing_sat: node.missing_reserve().0,
            ..GetBalanceResponse::default()
        };
        for (keys, channel) in node.channels() {
            match &channel.phase {
                Phase::Open(open) => {
                    balance.channels_local_msat += settled(open, Side::Local).0;
                    balance.channels_remote_msat += settled(open, Side::Remote).0;
                    balance.in_flight_msat += in_flight(open).0;
                }
                // What the chain holds of it is known output by output, and claimed ones are coins.
                Phase::Closing(closing) if closing.open.funding.spent.is_some() => {
                    let pending = node.close_sums(&keys).unwrap_or_default().pending;
                    balance.closing_msat += pending.to_msat().0;
                }
                Phase::Closing(closing) => {
                    balance.closing_msat += settled(&closing.open, Side::Local).0;
                    balance.in_flight_msat += in_flight(&closing.open).0;
                }
                Phase::Opening(_) | Phase::Closed(_) => {}
            }
        }
        Ok(balance)
    }

    pub(super) async fn list_funds(&self, _: ListFundsRequest) -> Result<ListFundsResponse, Status> {
        let node = self.snapshot();
        let (tip, network) = (node.height(), self.handle.network());
        let unspent = node.coins().filter(|coin| coin.spent.is_none());
        Ok(ListFundsResponse {
            coins: unspent.map(|found| coin(found, tip, network)).collect(),
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
        let spend_reserve = request.spend_reserve;
        let command = WithdrawCommand { script, amount, feerate, spend_reserve, change_script };
        let command = Errand::Withdraw(Box::new(command)).by(named);
        let reply = self.handle.command(command).await.map_err(refusal::command)?;
        once::withdrawn(&once::outcome(reply)?)
    }
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
    let funds = node.channels().filter_map(|(_, channel)| {
        let open = channel.open()?;
        Some(ChannelFunds {
            channel_id: channel.channel_id().to_string(),
            peer: channel.peer().to_string(),
            funding_outpoint: open.funding.terms.outpoint.to_string(),
            capacity_sat: open.funding.terms.capacity.0,
            local_msat: settled(open, Side::Local).0,
            state: state(node, channel).into(),
        })
    });
    funds.collect()
}
