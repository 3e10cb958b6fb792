//! What should stay in the wallet so that channels can be closed in time, and what is said where it does not.

use crate::api::served;
use crate::support::until;
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::Sat;
use tonic::Code;

// attack 27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_takes_the_coins_that_closes_need_only_if_it_is_asked_for() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(48, &chain).await, served(49, &chain).await);
    alice.member.fund(Sat(300_000)).await;
    alice.member.connect(&bob.member).await;
    alice.member.handle.synced().await.unwrap();
    bob.member.handle.synced().await.unwrap();
    let first = OpenChannelRequest {
        node_id: bob.member.id().to_string(),
        amount_sat: 150_000,
        private: true,
        ..OpenChannelRequest::default()
    };
    let opened =
        alice.client.open_channel(first.clone()).await.expect("one coin is enough for it").into_inner();
    assert_eq!(opened.warning, None);
    until("the wallet sees its change", async || {
        alice.member.handle.snapshot().own_coins().map(|coin| coin.amount()).sum::<Sat>() > Sat(0)
    })
    .await;
    let balance = alice.balance().await;
    assert!(balance.reserve_sat > 0 && balance.reserve_missing_sat == 0, "{balance:?}");
    let left = balance.confirmed_sat + balance.unconfirmed_sat;
    // It leaves what the first needs, and not what it will need itself.
    let second = OpenChannelRequest { amount_sat: left - balance.reserve_sat * 3 / 2, ..first };
    let refused = alice.client.open_channel(second.clone()).await.expect_err("two closes need more");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    let reserve = balance.reserve_sat * 2;
    let digits: String = refused.message().chars().filter(|c| *c != ',' && *c != '_').collect();
    assert!(digits.contains(&reserve.to_string()) && digits.contains("--spend-reserve"), "{refused}");
    let less = OpenChannelRequest { amount_sat: left - balance.reserve_sat * 5 / 2, ..second.clone() };
    assert_eq!(alice.client.open_channel(less).await.expect("enough stays").into_inner().warning, None);
    until("the wallet sees its change", async || {
        let seen: Sat = alice.member.handle.snapshot().own_coins().map(|coin| coin.amount()).sum();
        seen > Sat(balance.reserve_sat * 2)
    })
    .await;
    let asked = OpenChannelRequest { amount_sat: balance.reserve_sat * 2, spend_reserve: true, ..second };
    let opened = alice.client.open_channel(asked).await.expect("it was asked for").into_inner();
    assert!(opened.warning.is_some_and(|warning| warning.starts_with("Warning: ")));
    let info = alice.client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    let is_missing = |alarm: &String| alarm.contains("are missing on chain to close all channels");
    assert_eq!(info.alarms.iter().filter(|alarm| is_missing(alarm)).count(), 1, "{:?}", info.alarms);
    alice.end().await;
    bob.end().await;
}
