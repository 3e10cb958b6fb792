//! What a node says that it owns, at every step of what it does with it: no coin counts twice, and none is forgotten.

use crate::api::{Served, served};
use crate::closes::closing_txid;
use crate::support::until;
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::{Msat, Sat};
use astrape_regtest::RegtestChain;
use bitcoin::Txid;
use std::collections::BTreeSet;

const DEPOSIT: u64 = 1_000_000;

/// What is ours, as `balance` has it.
fn total(balance: &GetBalanceResponse) -> u64 {
    on_chain(balance) + (balance.channels_local_msat + balance.closing_msat) / 1_000
}

fn on_chain(balance: &GetBalanceResponse) -> u64 {
    balance.confirmed_sat + balance.unconfirmed_sat + balance.immature_sat + balance.reserved_sat
}

impl Served {
    /// The same sum by both calls that tell it.
    async fn owns(&self) -> u64 {
        let mut client = self.client.clone();
        let funds = client.list_funds(ListFundsRequest {}).await.unwrap().into_inner();
        let coins: u64 = funds.coins.iter().map(|coin| coin.amount_sat).sum();
        let channels: u64 = funds.channels.iter().map(|channel| channel.local_msat / 1_000).sum();
        let balance = client.get_balance(GetBalanceRequest {}).await.unwrap().into_inner();
        let of_balance = total(&balance);
        if coins + channels == of_balance { of_balance } else { 0 }
    }

    /// Waits until it owns so much, and sees that this stays so.
    async fn comes_to(&self, what: &str, expected: u64) {
        until(what, async || self.owns().await == expected).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert_eq!(self.owns().await, expected, "{what}: it stays so");
    }

    async fn alarms(&self) -> Vec<String> {
        self.client.clone().get_info(GetInfoRequest {}).await.unwrap().into_inner().alarms
    }

    async fn only_channel(&self) -> Channel {
        let channels = self.client.clone().list_channels(ListChannelsRequest {}).await.unwrap().into_inner();
        channels.channels.into_iter().next().expect("one")
    }
}

/// The fee of a transaction of coins of ours that nobody has mined yet.
fn fee_of(chain: &EmbeddedChain, txid: &str) -> u64 {
    let txid: Txid = txid.parse().unwrap();
    chain.look(|chain| chain.mempool_fee(&txid)).expect("it is in the mempool").0.0
}

/// Another branch wins, and these are in none of its blocks.
fn reorganised(chain: &EmbeddedChain, depth: u32, without: &str) {
    let left_out: BTreeSet<Txid> = [without.parse().unwrap()].into();
    chain.change(|chain| chain.replace_blocks(depth, &left_out, &RegtestChain::faucet_script()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn balance_and_fees_come_to_what_was_paid_in_at_every_step() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(111, &chain).await, served(112, &chain).await);
    alice.member.fund(Sat(DEPOSIT)).await;
    alice.member.connect(&bob.member).await;
    alice.member.handle.synced().await.unwrap();
    bob.member.handle.synced().await.unwrap();
    assert_eq!(alice.owns().await, DEPOSIT);
    for (client, calls) in [(&alice.client, false), (&bob.client, true)] {
        until("the peer is told, and where it called from", async || {
            let peers = client.clone().list_peers(ListPeersRequest {}).await.unwrap().into_inner().peers;
            peers.iter().any(|peer| peer.connected && peer.called_us == calls)
        })
        .await;
    }

    let open = OpenChannelRequest {
        node_id: bob.member.id().to_string(),
        amount_sat: 500_000,
        private: true,
        ..OpenChannelRequest::default()
    };
    let opened = alice.client.open_channel(open).await.expect("opened").into_inner();
    let funding = opened.funding_outpoint.split(':').next().unwrap().to_owned();
    until("the funding is in the mempool", async || chain.look(|c| c.in_mempool(&funding.parse().unwrap())))
        .await;
    let mut left = DEPOSIT - fee_of(&chain, &funding);
    alice.comes_to("the funding waits for its block", left).await;

    // Change counts from the moment on at which it is made; it can be spent once the wallet has seen it.
    until("the wallet sees its change", async || alice.member.handle.snapshot().own_coins().count() == 1)
        .await;
    let address = alice.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address;
    let outside = RegtestChain::faucet_script();
    let outside = bitcoin::Address::from_script(&outside, bitcoin::Network::Regtest).map(|to| to.to_string());
    let to = outside.unwrap_or(address);
    let withdraw = WithdrawRequest { address: to, amount_sat: Some(100_000), ..WithdrawRequest::default() };
    let done = alice.client.withdraw(withdraw).await.expect("there is change enough").into_inner();
    let balance = alice.balance().await;
    left -= done.amount_sat + done.fee_sat;
    assert_eq!((total(&balance), balance.reserve_missing_sat), (left, 0), "right after it: {balance:?}");
    alice.comes_to("two transactions wait", left).await;
    let too_much = WithdrawRequest {
        address: alice.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address,
        amount_sat: Some(2_000_000),
        spend_reserve: true,
        ..WithdrawRequest::default()
    };
    let refused = alice.client.withdraw(too_much).await.expect_err("there is not so much");
    assert!(
        refused.message().contains(" 0 sat wait for confirmation or are reserved"),
        "{}",
        refused.message()
    );
    chain.mine(6);
    alice.comes_to("all is in blocks", left).await;
    until("the channel is ready", async || alice.member.is_usable_with(bob.member.id()).await).await;

    // A close in good order: first the channel has it, then the coin, and never both.
    let before = alice.balance().await;
    let channel = alice.only_channel().await.channel_id;
    let close = CloseChannelRequest { channel: channel.clone(), ..CloseChannelRequest::default() };
    let answer = alice.client.close_channel(close).await.unwrap().into_inner();
    let txid = closing_txid(&alice, answer, &channel).await;
    until("the close is in the mempool", async || chain.look(|c| c.in_mempool(&txid.parse().unwrap()))).await;
    alice.comes_to("the close waits for its block", left).await;
    let waits = alice.only_close().await;
    assert_eq!(waits.pending_sat, 500_000, "all of it is to come: {waits:?}");
    let fee = fee_of(&chain, &txid);
    chain.mine(1);
    alice.comes_to("the close is in a block", left - fee).await;
    assert_eq!(alice.balance().await.closing_msat, 0);
    reorganised(&chain, 1, &txid);
    alice.comes_to("a reorganisation has taken the close", left).await;
    chain.mine(8);
    alice.comes_to("the close is in a block again", left - fee).await;
    let over = alice.only_close().await;
    let (returned, fees) = (over.returned_sat.unwrap(), over.fees_sat.unwrap());
    assert_eq!((returned + fees, fees), (500_000, fee), "{over:?}");
    assert_eq!(alice.balance().await.confirmed_sat, on_chain(&before) + returned);
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_close_is_followed_output_by_output_and_comes_to_what_was_ours() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(113, &chain).await, served(114, &chain).await);
    alice.member.fund(Sat(DEPOSIT)).await;
    alice.member.connect(&bob.member).await;
    alice.member.open(&bob.member, Sat(600_000), Msat(100_000_000)).await;
    let before = alice.balance().await.confirmed_sat;
    let channel = alice.only_channel().await.channel_id;
    let close = CloseChannelRequest { channel, force: true, ..CloseChannelRequest::default() };
    alice.client.close_channel(close).await.unwrap();
    until("the commitment is in a block", async || {
        chain.mine(1);
        alice.only_channel().await.status.contains("confirmations")
    })
    .await;
    let waits = alice.only_close().await;
    let channel = alice.only_channel().await;
    assert_eq!(channel.local_msat, waits.pending_sat * 1_000, "the chain says what is in it");
    assert_eq!((channel.remote_msat, channel.htlcs), (0, 0));
    let over = alice.over(&chain).await;
    let (returned, fees) = (over.returned_sat.unwrap(), over.fees_sat.unwrap());
    assert_eq!(returned + fees, 500_000, "the commitment's fee and its anchors are ours to pay: {over:?}");
    alice.comes_to("all of it is among the coins", before + returned).await;
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_whose_funding_left_the_chain_says_so_and_raises_an_alarm() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(115, &chain).await, served(116, &chain).await);
    alice.member.fund(Sat(DEPOSIT)).await;
    alice.member.connect(&bob.member).await;
    alice.member.open(&bob.member, Sat(500_000), Msat(0)).await;
    let ready = alice.only_channel().await;
    assert!(ready.state() == ChannelState::Ready && ready.sendable_msat > 0, "{ready:?}");
    assert!(alice.alarms().await.iter().all(|alarm| !alarm.contains("reorganisation")));
    let funding = ready.funding_outpoint.clone().unwrap();
    let funding = funding.split(':').next().unwrap();
    let depth = chain.look(|chain| chain.confirmations(&funding.parse().unwrap()));
    reorganised(&chain, depth, funding);
    until("it is told", async || alice.only_channel().await.state() == ChannelState::AwaitingConfirmations)
        .await;
    let gone = alice.only_channel().await;
    assert!(
        gone.status.starts_with("waiting for its funding to confirm again after a reorganisation"),
        "{gone:?}"
    );
    assert_eq!(gone.sendable_msat, 0);
    let is_of_it = |alarm: &String| alarm.contains("reorganisation") && alarm.contains(&gone.channel_id);
    assert!(alice.alarms().await.iter().any(is_of_it), "{:?}", alice.alarms().await);
    chain.mine(7);
    until("it is ready again", async || alice.only_channel().await.state() == ChannelState::Ready).await;
    assert!(alice.only_channel().await.sendable_msat > 0);
    let info = alice.client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert!(info.alarms.iter().all(|alarm| !alarm.contains("reorganisation")), "{:?}", info.alarms);
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parts_of_a_payment_come_to_what_is_said_of_it_whenever_it_is_told() {
    let chain = EmbeddedChain::new();
    let (mut alice, mut bob) = (served(117, &chain).await, served(118, &chain).await);
    alice.member.fund(Sat(2_000_000)).await;
    alice.member.connect(&bob.member).await;
    for _ in 0..2 {
        alice.member.open(&bob.member, Sat(500_000), Msat(0)).await;
    }
    until("both channels can send", async || {
        let channels = alice.client.clone().list_channels(ListChannelsRequest {}).await.unwrap().into_inner();
        channels.channels.iter().map(|channel| channel.sendable_msat).sum::<u64>() > 600_000_000
    })
    .await;
    // More than one channel can carry, so that it goes in parts.
    let invoice = CreateInvoiceRequest {
        amount_msat: Some(600_000_000),
        description: "parts".into(),
        ..CreateInvoiceRequest::default()
    };
    let invoice = bob.client.create_invoice(invoice).await.unwrap().into_inner().invoice;
    let pay = PayRequest { invoice, ..PayRequest::default() };
    let paid = alice.client.pay(pay).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(paid.state(), PaymentState::Succeeded, "{paid:?}");
    let ask = GetPaymentRequest { payment_hash: paid.payment_hash.clone() };
    let asked = alice.client.get_payment(ask).await.unwrap().into_inner().payment.unwrap();
    let list = alice.client.list_payments(ListPaymentsRequest::default()).await.unwrap().into_inner();
    for told in [&paid, &asked, &list.payments[0]] {
        let carried = || told.parts.iter().filter(|part| part.state() != PaymentState::Failed);
        assert!(carried().count() > 1, "{told:?}");
        assert_eq!(carried().map(|part| part.amount_msat).sum::<u64>(), told.amount_msat, "{told:?}");
        assert_eq!(carried().map(|part| part.fee_msat).sum::<u64>(), told.fee_msat, "{told:?}");
    }
    alice.end().await;
    bob.end().await;
}
