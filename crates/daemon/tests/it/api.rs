//! The API over real nodes, through TLS, as any program would use it.

mod refusals;

use crate::closes::closing_txid;
use crate::support::{Member, until};
use astrape_api::v1::event::Fact;
use astrape_api::v1::*;
use astrape_api::{Client, ConnectError};
use astrape_daemon::config::values::HostPort;
use astrape_daemon::engine::EmbeddedChain;
use astrape_daemon::service::server::{Offered, offer};
use astrape_primitives::Sat;
use refusals::is_refused;
use std::net::SocketAddr;
use tempfile::TempDir;
use tonic::Code;

/// A node with its API, and a client of it.
pub(crate) struct Served {
    pub(crate) member: Member,
    offered: Offered,
    pub(crate) client: Client,
    credentials: TempDir,
}

pub(crate) async fn served(seed: u8, chain: &EmbeddedChain) -> Served {
    serve(Member::start(seed, chain).await).await
}

pub(crate) async fn serve(member: Member) -> Served {
    let credentials = TempDir::new().unwrap();
    let at = HostPort::new("127.0.0.1", 0);
    let offered = offer(member.handle.clone(), None, credentials.path(), &at).await.unwrap();
    let client = astrape_api::connect(credentials.path(), &offered.address().to_string()).await.unwrap();
    Served { member, offered, client, credentials }
}

impl Served {
    /// Where its API is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.offered.address()
    }

    /// Another client, connected anew.
    pub(crate) async fn another(&self) -> Result<Client, ConnectError> {
        astrape_api::connect(self.credentials.path(), &self.address().to_string()).await
    }

    /// What a client needs but for the token, which is another.
    pub(crate) fn without_the_token(&self) -> TempDir {
        let stranger = TempDir::new().unwrap();
        std::fs::copy(self.credentials.path().join("api.cert"), stranger.path().join("api.cert")).unwrap();
        std::fs::write(stranger.path().join("api.token"), "ab".repeat(32)).unwrap();
        stranger
    }

    /// Stops the node and starts it again, with its API at another place.
    pub(crate) async fn restart(self) -> Served {
        self.offered.close().await;
        serve(self.member.restart().await).await
    }

    pub(crate) async fn end(self) {
        self.offered.close().await;
        self.member.stop().await.unwrap();
    }

    pub(crate) async fn channels(&mut self) -> Vec<Channel> {
        self.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels
    }

    pub(crate) async fn balance(&mut self) -> GetBalanceResponse {
        self.client.get_balance(GetBalanceRequest {}).await.unwrap().into_inner()
    }
}
// BOLT 11.tagged-fields.18
// attack 27
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_live_by_the_api_alone() {
    let chain = EmbeddedChain::new();
    let (mut alice, mut bob) = (served(3, &chain).await, served(4, &chain).await);
    alice.member.fund(Sat(1_000_000)).await;
    let info = bob.client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.network.as_str(), info.listening.len()), ("regtest", 1));

    // Opening connects where that is needed.
    let open = OpenChannelRequest {
        node_id: info.node_id.clone(),
        address: Some(info.listening[0].clone()),
        amount_sat: 500_000,
        push_msat: 100_000_000,
        private: true,
        ..Default::default()
    };
    until("alice sees the chain", async || {
        let mut client = alice.client.clone();
        client.get_info(GetInfoRequest {}).await.unwrap().into_inner().chain_synced
    })
    .await;
    let opened = alice.client.open_channel(open).await.expect("opened").into_inner();
    let channel = alice.channels().await.remove(0);
    assert_eq!(channel.channel_id, opened.channel_id);
    assert_eq!(channel.funding_outpoint, Some(opened.funding_outpoint));
    assert_eq!(channel.state(), ChannelState::AwaitingConfirmations, "{channel:?}");
    assert!(channel.private && channel.opened_by_us && channel.connected);
    until("the channel is ready on both sides", async || {
        chain.mine(1);
        let mut ready = true;
        for client in [&alice.client, &bob.client] {
            let channels =
                client.clone().list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels;
            ready &= channels.iter().any(|channel| channel.status == "ready");
        }
        ready && !bob.member.handle.snapshot().route_hints(None).is_empty()
    })
    .await;

    // A payment, asked for twice at the same time, is paid once.
    let request = CreateInvoiceRequest {
        amount_msat: Some(50_000_000),
        description: "tea\u{202e}".into(),
        ..Default::default()
    };
    let invoice = bob.client.create_invoice(request).await.unwrap().into_inner();
    assert!(invoice.warnings.is_empty(), "{:?}", invoice.warnings);
    let decoded =
        alice.client.decode_invoice(DecodeInvoiceRequest { invoice: invoice.invoice.clone() }).await;
    let decoded = decoded.unwrap().into_inner();
    assert_eq!((decoded.amount_msat, decoded.payee), (Some(50_000_000), info.node_id.clone()));
    assert_eq!(decoded.description.as_deref(), Some("tea\\u{202e}"), "made safe to show");
    assert_eq!(decoded.route_hints.len(), 1);
    let pay = PayRequest { invoice: invoice.invoice.clone(), ..Default::default() };
    let mut again = alice.client.clone();
    let (first, second) = tokio::join!(alice.client.pay(pay.clone()), again.pay(pay.clone()));
    let first = first.unwrap().into_inner().payment.unwrap();
    assert_eq!(first.state(), PaymentState::Succeeded, "{first:?}");
    assert_eq!(Some(&first), second.unwrap().into_inner().payment.as_ref());
    let third = alice.client.pay(pay).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(third, Payment { paid_before: true, ..first.clone() }, "paid before: told again, and told so");
    let [part] = &first.parts[..] else { panic!("{first:?}") };
    assert_eq!(
        (part.state(), part.amount_msat, &part.hops),
        (PaymentState::Succeeded, 50_000_000, &vec![first.destination.clone().unwrap()])
    );
    assert_eq!(part.hold_times_ms.len(), 1, "bob has told how long he held it: {part:?}");
    assert!(part.hold_times_ms[0] <= part.took_ms.unwrap());
    let listed = alice.client.list_payments(ListPaymentsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.payments[0].parts, first.parts);
    until("the payment has settled", async || {
        let mut client = bob.client.clone();
        let balance = client.get_balance(GetBalanceRequest {}).await.unwrap().into_inner();
        balance.channels_local_msat == 150_000_000 && balance.in_flight_msat == 0
    })
    .await;

    // Both have it in their books, and tell it as it happened.
    let payments =
        bob.client.list_payments(ListPaymentsRequest::default()).await.unwrap().into_inner().payments;
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].direction(), payments[0].amount_msat), (PaymentDirection::Received, 50_000_000));
    assert_eq!(payments[0].preimage, first.preimage);
    let mut events = alice.client.events(EventsRequest { since: Some(0) }).await.unwrap().into_inner();
    let (mut next, mut kinds) = (0, Vec::new());
    while !kinds.contains(&"paid") {
        let event = events.message().await.unwrap().expect("there is more");
        assert!(event.number >= next, "facts come in order");
        next = event.number + 1;
        kinds.push(match event.fact.unwrap() {
            Fact::Payment(payment) if payment.payment_hash == first.payment_hash => "paid",
            Fact::Channel(channel) if channel.kind() == ChannelEventKind::Ready => "ready",
            _ => "other",
        });
    }
    assert!(kinds.contains(&"ready"));

    a_forced_close_is_reckoned_and_not_done(&mut alice, &opened.channel_id).await;
    what_closes_need_is_withdrawn_only_if_asked_for(&mut alice, &mut bob).await;

    // Closed by the beginning of its id, as tables show it. Less is not enough, although it fits no other channel.
    let slip = CloseChannelRequest { channel: opened.channel_id[..11].to_owned(), ..Default::default() };
    is_refused("close_channel", "channel", alice.client.close_channel(slip).await);
    let close = CloseChannelRequest { channel: opened.channel_id[..12].to_owned(), ..Default::default() };
    let closing = alice.client.close_channel(close).await.unwrap().into_inner();
    assert!(closing.status.starts_with("closing"), "{}", closing.status);
    let txid = closing_txid(&alice, closing, &opened.channel_id).await;
    let withdrawn = events.message().await.unwrap().expect("the withdrawal is told");
    assert!(matches!(withdrawn.fact, Some(Fact::Withdrawn(_))));
    let told = events.message().await.unwrap().expect("the close is told");
    assert!(matches!(told.fact, Some(Fact::Channel(_))));
    until("the close is in the mempool", async || chain.look(|c| c.in_mempool(&txid.parse().unwrap()))).await;
    chain.mine(1);
    until("both have their coins", async || {
        let mut balances = Vec::new();
        for client in [&alice.client, &bob.client] {
            balances.push(client.clone().get_balance(GetBalanceRequest {}).await.unwrap().into_inner());
        }
        balances.iter().all(|b| b.closing_msat == 0 && b.channels_local_msat == 0)
            && balances[1].confirmed_sat == 150_000
    })
    .await;

    // And withdraws it all.
    let address = alice.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address;
    let request = WithdrawRequest { address, all: true, ..Default::default() };
    let withdrawn = bob.client.withdraw(request).await.unwrap().into_inner();
    assert_eq!(withdrawn.amount_sat + withdrawn.fee_sat, 150_000);
    assert_eq!(bob.balance().await.confirmed_sat, 0, "it is set aside");

    // Who waits for news is told that there will be none.
    alice.client.stop(StopRequest {}).await.unwrap();
    alice.offered.stop_asked().await.unwrap();
    alice.end().await;
    let end = loop {
        match events.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(matches!(&end, Err(status) if status.code() == Code::Unavailable), "{end:?}");
    bob.end().await;
}

/// An invoice that leaves the amount open: whoever pays it says how much, and is not told of what somebody else paid.
async fn paid_once_with_another_amount_is_not_paid_again(alice: &mut Served, bob: &mut Served) {
    let request = CreateInvoiceRequest { description: "any".into(), ..Default::default() };
    let invoice = bob.client.create_invoice(request).await.unwrap().into_inner().invoice;
    let pay = |amount: u64| PayRequest {
        invoice: invoice.clone(),
        amount_msat: Some(amount),
        ..Default::default()
    };
    let paid = alice.client.pay(pay(1_234_567)).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(
        (paid.state(), paid.amount_msat, paid.paid_before),
        (PaymentState::Succeeded, 1_234_567, false)
    );
    let refused = alice.client.pay(pay(1_000_000)).await.expect_err("it was paid with another amount");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for told in [paid.payment_hash.as_str(), "1,234.567 sat", paid.destination(), "That was at 20"] {
        assert!(refused.message().contains(told), "{}", refused.message());
    }
    assert!(alice.client.pay(pay(1_234_567)).await.unwrap().into_inner().payment.unwrap().paid_before);
}

async fn a_forced_close_is_reckoned_and_not_done(alice: &mut Served, channel: &str) {
    // A payment is told as paid before its HTLC has left both commitments.
    until("the channel is at rest", async || {
        let channels = alice.client.clone().list_channels(ListChannelsRequest {}).await.unwrap().into_inner();
        channels.channels.iter().all(|channel| channel.htlcs == 0)
    })
    .await;
    let ask =
        CloseChannelRequest { channel: channel.into(), force: true, dry_run: true, ..Default::default() };
    let answer = alice.client.close_channel(ask.clone()).await.unwrap().into_inner();
    let forced = answer.forced.expect("it is reckoned");
    assert_eq!((forced.ours_sat, forced.htlcs), (350_000, 0));
    assert!(forced.delay_blocks > 0 && forced.delay_secs == u64::from(forced.delay_blocks) * 600);
    assert!(forced.fee_sat > 0 && forced.fee_sat < 50_000, "{forced:?}");
    let blocks = format!("{} blocks", forced.delay_blocks);
    assert!(forced.warning.contains(&blocks) && forced.warning.contains("350,000 sat"), "{}", forced.warning);
    assert!(forced.warning.contains("without --force first"), "{}", forced.warning);
    assert_eq!((answer.status.as_str(), answer.closing_txid), ("ready", None), "nothing was done");
    let unforced = CloseChannelRequest { force: false, ..ask };
    is_refused("close_channel", "dry_run", alice.client.close_channel(unforced).await);
}

async fn what_closes_need_is_withdrawn_only_if_asked_for(alice: &mut Served, bob: &mut Served) {
    let balance = alice.balance().await;
    assert!(balance.reserve_sat > 0 && balance.reserve_missing_sat == 0, "{balance:?}");
    let poor = bob.balance().await;
    assert_eq!((poor.reserve_sat, poor.reserve_missing_sat), (balance.reserve_sat, balance.reserve_sat));
    for (client, is_warned) in [(&alice.client, false), (&bob.client, true)] {
        let told = client.clone().list_channels(ListChannelsRequest {}).await.unwrap().into_inner();
        let warning = told.warning.filter(|text| text.contains("are missing on chain to close all channels"));
        assert_eq!(warning.is_some(), is_warned, "where the channels are shown, too");
    }
    let address = alice.client.new_address(NewAddressRequest {}).await.unwrap().into_inner().address;
    let too_much = WithdrawRequest {
        address,
        amount_sat: Some(balance.confirmed_sat - balance.reserve_sat / 2),
        ..Default::default()
    };
    let refused = alice.client.withdraw(too_much.clone()).await.expect_err("the channel may need it");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().contains("--spend-reserve"), "{}", refused.message());
    let asked = WithdrawRequest { spend_reserve: true, ..too_much };
    assert_eq!(
        alice.client.withdraw(asked.clone()).await.unwrap().into_inner().amount_sat,
        asked.amount_sat.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_payment_is_settled_or_given_back_over_the_api() {
    let chain = EmbeddedChain::new();
    let (mut alice, mut bob) = (served(41, &chain).await, served(42, &chain).await);
    alice.member.fund(Sat(2_000_000)).await;
    alice.member.connect(&bob.member).await;
    alice.member.open(&bob.member, Sat(500_000), astrape_primitives::Msat(0)).await;
    // A payment that is held is settled by whoever knows its preimage, or given back.
    for settles in [true, false] {
        let preimage = [if settles { 0x31 } else { 0x32 }; 32];
        let payment_hash = astrape_primitives::PaymentPreimage(preimage).payment_hash().to_string();
        let request = CreateInvoiceRequest {
            amount_msat: Some(1_000_000),
            description: "held".into(),
            hold: true,
            payment_hash: Some(payment_hash.clone()),
            ..Default::default()
        };
        let held = bob.client.create_invoice(request).await.unwrap().into_inner();
        let mut payer = alice.client.clone();
        let request = PayRequest { invoice: held.invoice, ..Default::default() };
        let paying = tokio::spawn(async move { payer.pay(request).await });
        until("the payment is held", async || {
            let invoices = bob.client.clone().list_invoices(ListInvoicesRequest::default()).await.unwrap();
            let state = |i: &Invoice| i.payment_hash == payment_hash && i.state() == InvoiceState::Held;
            invoices.into_inner().invoices.iter().any(|i| state(i) && i.received_msat == 1_000_000)
        })
        .await;
        // What is under way takes no place from what has ended.
        let one = ListPaymentsRequest { limit: Some(1), before: None };
        let listed = alice.client.clone().list_payments(one).await.unwrap().into_inner();
        let states: Vec<PaymentState> = listed.payments.iter().map(Payment::state).collect();
        let ended = [PaymentState::Pending, PaymentState::Succeeded];
        assert_eq!((states.as_slice(), listed.under_way), (&ended[..if settles { 1 } else { 2 }], 1));
        if settles {
            let preimage = Some(hex::encode(preimage));
            let request = SettleInvoiceRequest { payment_hash: None, preimage };
            for _ in 0..2 {
                bob.client.settle_invoice(request.clone()).await.unwrap();
            }
        } else {
            let request = CancelInvoiceRequest { payment_hash };
            for _ in 0..2 {
                bob.client.cancel_invoice(request.clone()).await.unwrap();
            }
        }
        let ended = paying.await.unwrap().unwrap().into_inner().payment.unwrap();
        let expected = if settles { PaymentState::Succeeded } else { PaymentState::Failed };
        assert_eq!(ended.state(), expected, "{ended:?}");
    }
    paid_once_with_another_amount_is_not_paid_again(&mut alice, &mut bob).await;
    let ended = ListInvoicesRequest { limit: Some(1), after: None };
    let invoices = bob.client.list_invoices(ended).await.unwrap().into_inner().invoices;
    assert!(matches!(&invoices[..], [one] if one.state() == InvoiceState::Canceled), "{invoices:?}");
    let after = ListInvoicesRequest { limit: None, after: Some(invoices[0].payment_hash.clone()) };
    assert!(bob.client.list_invoices(after).await.unwrap().into_inner().invoices.is_empty());
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_asks_something_else_and_what_is_earned_is_told() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(43, &chain).await;
    let mut bob = served(44, &chain).await;
    let carol = Member::start(45, &chain).await;
    alice.fund(Sat(2_000_000)).await;
    bob.member.fund(Sat(2_000_000)).await;
    alice.connect(&bob.member).await;
    carol.connect(&bob.member).await;
    let nothing = astrape_primitives::Msat(0);
    alice.open(&bob.member, Sat(500_000), nothing).await;
    bob.member.open(&carol, Sat(500_000), nothing).await;
    let request =
        SetChannelRequest { channel: "all".into(), fee_base_msat: Some(3_000), ..Default::default() };
    let changed = bob.client.set_channel(request).await.unwrap().into_inner().channels;
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|c| c.policy.is_some_and(|p| p.fee_base_msat == 3_000 && !p.is_default)));
    let to_carol = changed.iter().find(|c| c.peer == carol.id().to_string()).unwrap();
    let request = SetChannelRequest {
        channel: to_carol.channel_id.clone(),
        inbound_base_msat: Some(1),
        ..Default::default()
    };
    let refused = bob.client.set_channel(request).await.unwrap_err();
    assert!(refused.message().contains("must not be above zero"), "{refused}");
    let request = SetChannelRequest {
        channel: to_carol.channel_id.clone(),
        fee_proportional_millionths: Some(1_000_001),
        ..Default::default()
    };
    let refused = bob.client.set_channel(request).await.unwrap_err();
    assert!(refused.message().contains("more than the payment itself"), "{refused}");
    until("carol has heard of it", async || {
        let hints = carol.handle.snapshot().route_hints(None);
        hints.first().is_some_and(|way| way[0].fee_base_msat == 3_000)
    })
    .await;
    let amount = astrape_primitives::Msat(10_000_000);
    let sent = alice.pay(&carol.invoice(amount).await).await;
    assert!(matches!(sent, astrape_node::Fact::PaymentSent { fee, .. } if fee.0 == 4_000), "{sent:?}");
    let stats = bob.client.get_stats(GetStatsRequest::default()).await.unwrap().into_inner();
    let total = stats.total.unwrap();
    assert_eq!((total.forwarded, total.fee_msat, total.success_per_mille), (1, 4_000, 1_000));
    assert_eq!((stats.periods.len(), stats.channels.len()), (1, 2));
    assert!(stats.periods[0].from.is_multiple_of(86_400), "days begin at midnight");
    assert_eq!(stats.channels[0].keys_id, to_carol.keys_id, "who earned most comes first");
    let forwards =
        bob.client.list_forwards(ListForwardsRequest::default()).await.unwrap().into_inner().forwards;
    assert_eq!(forwards[0].outgoing.as_deref(), Some(to_carol.keys_id.as_str()));
    assert_eq!(forwards[0].outgoing_channel, to_carol.short_channel_id, "by the name that `channels` shows");
    assert!(forwards[0].incoming_channel.is_some() && stats.channels[0].channel_id.is_some());
    assert!(forwards[0].took_ms < 60_000 && forwards[0].failure.is_none());
    bob.end().await;
    for member in [alice, carol] {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_between_channels_that_fails_leaves_no_invoice_open() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(46, &chain).await, Member::start(47, &chain).await);
    alice.member.fund(Sat(1_000_000)).await;
    alice.member.connect(&bob).await;
    alice.member.open(&bob, Sat(500_000), astrape_primitives::Msat(0)).await;
    let from = alice.channels().await.remove(0).channel_id;
    // There is no other channel to come back by.
    let request = RebalanceRequest { amount_msat: 1_000_000, from, ..Default::default() };
    let failed = alice.client.rebalance(request).await;
    let is_failed = |paid: &PayResponse| paid.payment.as_ref().unwrap().state() == PaymentState::Failed;
    assert!(failed.as_ref().map_or(true, |paid| is_failed(paid.get_ref())), "{failed:?}");
    let invoices = alice.client.list_invoices(ListInvoicesRequest::default()).await.unwrap().into_inner();
    let states: Vec<InvoiceState> = invoices.invoices.iter().map(Invoice::state).collect();
    assert_eq!(states, [], "the user has made none");
    alice.end().await;
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_are_listed_newest_first_and_new_ones_move_no_other_page() {
    let mut node = served(61, &EmbeddedChain::new()).await;
    let mut made = Vec::new();
    let make = async |client: &mut Client| {
        let request = CreateInvoiceRequest { description: "any".into(), ..Default::default() };
        // Each in a millisecond of its own.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        client.create_invoice(request).await.unwrap().into_inner().payment_hash
    };
    for _ in 0..7 {
        made.insert(0, make(&mut node.client).await);
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let request = ListInvoicesRequest { limit: Some(3), after: after.clone() };
        let page = node.client.list_invoices(request).await.unwrap().into_inner();
        listed.extend(page.invoices.iter().map(|invoice| invoice.payment_hash.clone()));
        // What comes now belongs before all that was listed.
        make(&mut node.client).await;
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(listed, made, "each once, the newest first");
    let behind = ListInvoicesRequest { limit: None, after: Some(made[4].clone()) };
    let behind = node.client.list_invoices(behind).await.unwrap().into_inner();
    let hashes: Vec<&String> = behind.invoices.iter().map(|invoice| &invoice.payment_hash).collect();
    assert_eq!(hashes, [&made[5], &made[6]], "a hash stands for its place");
    assert_eq!(behind.next, None);
    node.end().await;
}
