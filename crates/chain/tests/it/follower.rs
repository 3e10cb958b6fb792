//! The follower: an unbroken line of blocks, whatever the source does.

use crate::kit::{Believer, FakeChain, FakeSource, START, settings};
use astrape_chain::{BlockChange, Follower, FollowerSettings, Status, Update, starting_cursor};
use astrape_primitives::{BlockId, Height, Timestamp};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A source with so many blocks above the first, and a follower at the first.
fn start(blocks: u32) -> (Arc<FakeSource>, Follower, Believer) {
    let mut chain = FakeChain::new();
    let recent = vec![chain.tip()];
    (0..blocks).for_each(|_| drop(chain.mine(vec![])));
    let source = FakeSource::new(chain);
    let believer = Believer::new(&recent);
    let follower = Follower::new(Arc::clone(&source) as _, recent, settings()).expect("one block is enough");
    (source, follower, believer)
}

fn tip(source: &FakeSource) -> BlockId {
    source.with(|inside| inside.chain.tip())
}

async fn next(follower: &mut Follower) -> Update {
    tokio::time::timeout(Duration::from_secs(30), follower.next()).await.expect("something happens")
}

/// The changes that are told before a status that is waited for.
async fn told_by_then(follower: &mut Follower, is_wanted: impl Fn(&Status) -> bool) -> Vec<BlockChange> {
    let mut told = Vec::new();
    loop {
        match next(follower).await {
            Update::Status(status) if is_wanted(&status) => return told,
            Update::Status(_) => {}
            Update::Block(change) => told.push(change),
        }
    }
}

#[tokio::test]
async fn a_follower_catches_up_and_then_hears_of_each_new_block() {
    let (source, mut follower, mut believer) = start(50);
    assert!(matches!(next(&mut follower).await, Update::Status(Status::CatchingUp { .. })));
    believer.listen_until(&mut follower, tip(&source)).await;
    assert!(matches!(next(&mut follower).await, Update::Status(Status::Following { .. })));
    let block = source.with(|inside| inside.chain.mine(vec![]));
    let update = next(&mut follower).await;
    assert!(matches!(update, Update::Block(BlockChange::Connected { block: told, .. }) if told == block));
    assert_eq!(follower.tip(), tip(&source));
}

#[tokio::test]
async fn a_fork_while_the_node_was_down_is_walked_back() {
    let mut chain = FakeChain::new();
    (0..10).for_each(|_| drop(chain.mine(vec![])));
    let source = FakeSource::new(chain);
    let recent = starting_cursor(source.as_ref(), 6).await.unwrap();
    assert_eq!(recent.iter().map(|id| id.height.0).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 10]);
    source.with(|inside| {
        inside.chain.rewind(4);
        (0..7).for_each(|_| drop(inside.chain.mine(vec![])));
    });
    let mut follower = Follower::new(Arc::clone(&source) as _, recent.clone(), settings()).unwrap();
    let mut gone = Vec::new();
    let mut came = Vec::new();
    while follower.tip() != tip(&source) {
        match next(&mut follower).await {
            Update::Block(BlockChange::Disconnected { id }) => gone.push(id.height.0),
            Update::Block(BlockChange::Connected { id, .. }) => came.push(id.height.0),
            Update::Status(_) => {}
        }
    }
    assert_eq!(gone, [10, 9, 8, 7]);
    assert_eq!(came, (7..=13).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_shorter_chain_of_the_same_blocks_is_waited_for() {
    let (source, mut follower, mut believer) = start(6);
    let whole = tip(&source);
    believer.listen_until(&mut follower, whole).await;
    let lost = source.with(|inside| inside.chain.rewind(3));
    let behind = Status::SourceBehind { blocks: Height(3), headers: whole.height };
    assert_eq!(told_by_then(&mut follower, |status| *status == behind).await, []);
    let idle = tokio::time::timeout(Duration::from_millis(50), follower.next()).await;
    assert!(idle.is_err(), "there is nothing to say while it is so: {idle:?}");
    // The same blocks come back, and one that is new.
    source.with(|inside| inside.chain.put_back(lost));
    let new = source.with(|inside| inside.chain.mine(vec![]));
    let told = told_by_then(&mut follower, Status::is_reliable).await;
    assert!(matches!(&told[..], [BlockChange::Connected { block, .. }] if *block == new), "{told:?}");
    assert_eq!(follower.tip(), tip(&source));
}

#[tokio::test]
async fn a_source_that_lost_more_blocks_than_the_cursor_has_is_waited_for() {
    let mut chain = FakeChain::new();
    (0..9).for_each(|_| drop(chain.mine(vec![])));
    let source = FakeSource::new(chain);
    let recent = starting_cursor(source.as_ref(), 3).await.unwrap();
    let lost = source.with(|inside| inside.chain.rewind(6));
    let mut follower = Follower::new(Arc::clone(&source) as _, recent.clone(), settings()).unwrap();
    let is_behind = |status: &Status| matches!(status, Status::SourceBehind { .. });
    assert_eq!(told_by_then(&mut follower, is_behind).await, []);
    let idle = tokio::time::timeout(Duration::from_millis(50), follower.next()).await;
    assert!(idle.is_err(), "nothing says that they have gone: {idle:?}");
    source.with(|inside| inside.chain.put_back(lost));
    assert_eq!(told_by_then(&mut follower, Status::is_reliable).await, []);
    assert_eq!(follower.tip(), recent[2]);
}

#[tokio::test]
async fn another_branch_is_followed_though_it_is_shorter_for_now() {
    let (source, mut follower, mut believer) = start(6);
    believer.listen_until(&mut follower, tip(&source)).await;
    source.with(|inside| {
        inside.chain.rewind(4);
        inside.chain.mine(vec![]);
    });
    believer.listen_until(&mut follower, tip(&source)).await;
    assert_eq!(believer.seen.len(), 4);
    source.with(|inside| (0..5).for_each(|_| drop(inside.chain.mine(vec![]))));
    believer.listen_until(&mut follower, tip(&source)).await;
    assert_eq!(believer.seen.len(), 9);
}

#[tokio::test]
async fn a_fork_below_the_cursor_is_an_alarm_and_nothing_is_undone() {
    let mut chain = FakeChain::new();
    (0..5).for_each(|_| drop(chain.mine(vec![])));
    let source = FakeSource::new(chain);
    let recent = starting_cursor(source.as_ref(), 3).await.unwrap();
    source.with(|inside| {
        inside.chain.rewind(4);
        (0..6).for_each(|_| drop(inside.chain.mine(vec![])));
    });
    let mut follower = Follower::new(Arc::clone(&source) as _, recent.clone(), settings()).unwrap();
    let is_alarm = |status: &Status| matches!(status, Status::Unreachable { .. });
    assert_eq!(told_by_then(&mut follower, is_alarm).await, []);
    assert!(follower.status().to_string().contains("below height 3"), "{}", follower.status());
    assert_eq!(follower.tip(), recent[2]);
}

#[tokio::test]
async fn an_unreachable_source_is_told_once_and_asked_again() {
    let (source, mut follower, mut believer) = start(1);
    believer.listen_until(&mut follower, tip(&source)).await;
    source.with(|inside| inside.failures = 5);
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        if let Update::Status(status) = next(&mut follower).await {
            kinds.push(status.clone());
        }
    }
    assert_eq!(
        kinds[0],
        Status::Unreachable {
            since: START,
            reason: "the chain source cannot be reached: nobody is there".into()
        }
    );
    assert!(kinds[1].is_reliable());
    assert!(!kinds[0].is_reliable());
    source.with(|inside| inside.chain.mine(vec![]));
    believer.listen_until(&mut follower, tip(&source)).await;
}

#[tokio::test]
async fn a_dead_source_is_not_hammered() {
    let (source, mut follower, _) = start(0);
    source.with(|inside| inside.failures = u32::MAX);
    let mut told = 0;
    let listen = async {
        loop {
            follower.next().await;
            told += 1;
        }
    };
    tokio::time::timeout(Duration::from_millis(500), listen).await.unwrap_err();
    let questions = source.with(|inside| inside.questions);
    assert_eq!(told, 1);
    assert!((3..=12).contains(&questions), "pauses double: {questions} questions");
}

// attack 43
#[tokio::test]
async fn a_stale_tip_is_told() {
    let (source, mut follower, mut believer) = start(1);
    source.with(|inside| inside.tip_time = Timestamp::from_secs(START.secs() - 10_000));
    believer.listen_until(&mut follower, tip(&source)).await;
    assert_eq!(told_by_then(&mut follower, |status| matches!(status, Status::Stale { .. })).await, []);
    source.with(|inside| inside.tip_time = START);
    loop {
        if let Update::Status(status) = next(&mut follower).await {
            assert!(status.is_reliable());
            break;
        }
    }
}

#[tokio::test]
async fn a_block_that_is_not_the_one_asked_for_is_refused() {
    let (source, mut follower, mut believer) = start(1);
    source.with(|inside| inside.corrupt = true);
    loop {
        match next(&mut follower).await {
            Update::Status(Status::Unreachable { reason, .. }) => {
                assert!(reason.contains("is not that block"), "{reason}");
                break;
            }
            Update::Status(_) => {}
            Update::Block(change) => panic!("{change:?}"),
        }
    }
    source.with(|inside| inside.corrupt = false);
    believer.listen_until(&mut follower, tip(&source)).await;
}

#[test]
fn a_follower_needs_a_block_to_begin_with() {
    let source = FakeSource::new(FakeChain::new());
    assert!(Follower::new(source, vec![], settings()).is_none());
}

#[tokio::test]
async fn the_starting_cursor_of_a_short_chain_is_all_of_it() {
    let source = FakeSource::new(FakeChain::new());
    let recent = starting_cursor(source.as_ref(), 144).await.unwrap();
    assert_eq!(recent, [tip(&source)]);
    assert_eq!(recent[0].height, Height(0));
}

/// What may happen between two questions.
#[derive(Clone, Debug)]
struct Happening {
    after: u32,
    rewind: usize,
    mine: u32,
    failures: u32,
    impatience: Option<u64>,
}

fn happening() -> impl Strategy<Value = Happening> {
    let impatience = prop_oneof![3 => Just(None), 1 => (0_u64..300).prop_map(Some)];
    (0_u32..12, 0_usize..5, 0_u32..6, 0_u32..3, impatience).prop_map(
        |(after, rewind, mine, failures, impatience)| Happening { after, rewind, mine, failures, impatience },
    )
}

async fn follow_through(happenings: Vec<Happening>) {
    let (source, mut follower, mut believer) = start(8);
    for Happening { after, rewind, mine, failures, impatience } in happenings {
        source.with(|inside| {
            inside.failures = failures;
            let change = move |chain: &mut FakeChain| {
                chain.rewind(rewind);
                (0..mine).for_each(|_| drop(chain.mine(vec![])));
            };
            inside.later.push_back((after, Box::new(change)));
        });
        // Drop the future wherever it stands, now and then.
        if let Some(micros) = impatience {
            let limit = Duration::from_micros(micros);
            if let Ok(Update::Block(change)) = tokio::time::timeout(limit, follower.next()).await {
                believer.take(&change);
            }
        }
    }
    while source.with(|inside| !inside.later.is_empty()) {
        if let Update::Block(change) = next_or_idle(&mut follower).await {
            believer.take(&change);
        }
    }
    // A chain that is merely shorter is waited for: one more block settles which it is.
    source.with(|inside| inside.chain.mine(vec![]));
    believer.listen_until(&mut follower, tip(&source)).await;
    let chain: Vec<BlockId> = source.with(|inside| {
        let heights = 0..=inside.chain.tip().height.0;
        heights
            .map(Height)
            .map(|height| BlockId { height, hash: inside.chain.hash_at(height).unwrap() })
            .collect()
    });
    assert_eq!(believer.seen, chain);
}

/// The next update, or a status when for a while there is none.
async fn next_or_idle(follower: &mut Follower) -> Update {
    let limit = Duration::from_millis(20);
    match tokio::time::timeout(limit, follower.next()).await {
        Ok(update) => update,
        Err(_) => Update::Status(follower.status().clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_told_is_always_the_sources_chain(happenings in proptest::collection::vec(happening(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow_through(happenings));
    }
}

#[tokio::test]
async fn a_source_that_never_answers_is_told_of() {
    let (source, _, _) = start(1);
    let limited = FollowerSettings { max_silence: Duration::from_millis(50), ..settings() };
    let recent = starting_cursor(source.as_ref(), 1).await.unwrap();
    let mut follower = Follower::new(Arc::clone(&source) as _, recent, limited).unwrap();
    assert_eq!(told_by_then(&mut follower, Status::is_reliable).await, []);
    let shown = follower.watch_status();
    source.with(|inside| inside.hangs = true);
    let is_blind = |status: &Status| matches!(status, Status::Unreachable { .. });
    assert_eq!(told_by_then(&mut follower, is_blind).await, []);
    assert!(follower.status().to_string().contains("no answer within"), "{}", follower.status());
    assert_eq!(*shown.borrow(), follower.status());
    source.with(|inside| inside.hangs = false);
    assert_eq!(told_by_then(&mut follower, Status::is_reliable).await, []);
}

/// Listens for a while in which nothing but blocks may be told, and says how things stand then.
async fn status_then(follower: &mut Follower, believer: &mut Believer, at: BlockId) -> Status {
    believer.listen_until(follower, at).await;
    while let Ok(update) = tokio::time::timeout(Duration::from_millis(20), follower.next()).await {
        assert!(matches!(update, Update::Status(_)), "{update:?}");
    }
    follower.status()
}

// attack 43
#[tokio::test]
async fn a_source_that_believes_to_download_is_at_the_tip_once_a_block_has_come_on_top_of_it() {
    let (source, mut follower, mut believer) = start(3);
    let day_old = Timestamp::from_secs(START.secs() - 100_000);
    source.with(|inside| (inside.initial_download, inside.tip_time) = (true, day_old));
    let at = tip(&source);
    let status = status_then(&mut follower, &mut believer, at).await;
    let behind = |status: &Status| matches!(status, Status::SourceBehind { .. });
    assert!(behind(&status), "it may not have a header yet: {status}");
    source.with(|inside| drop(inside.chain.mine(vec![])));
    let status = status_then(&mut follower, &mut believer, tip(&source)).await;
    assert!(matches!(status, Status::Stale { .. }), "the chain grows: {status}");
    // It stands still for a moment, and may be another one then.
    source.with(|inside| inside.failures = 2);
    assert_eq!(told_by_then(&mut follower, |status| matches!(status, Status::Unreachable { .. })).await, []);
    let status = status_then(&mut follower, &mut believer, tip(&source)).await;
    assert!(behind(&status), "{status}");
}

#[tokio::test]
async fn the_blocks_of_a_download_are_not_the_growth_of_a_chain() {
    let (source, mut follower, mut believer) = start(0);
    source.with(|inside| inside.initial_download = true);
    let at = tip(&source);
    assert!(!status_then(&mut follower, &mut believer, at).await.is_at_tip());
    // Headers come before their blocks.
    source.with(|inside| inside.headers_ahead = 500);
    for _ in 0..3 {
        source.with(|inside| drop(inside.chain.mine(vec![])));
        let status = status_then(&mut follower, &mut believer, tip(&source)).await;
        assert!(matches!(status, Status::SourceBehind { .. }), "{status}");
    }
    // All are there, and none of them had come alone.
    source.with(|inside| inside.headers_ahead = 0);
    assert!(!status_then(&mut follower, &mut believer, tip(&source)).await.is_at_tip());
    source.with(|inside| inside.initial_download = false);
    assert_eq!(told_by_then(&mut follower, Status::is_reliable).await, []);
}

#[tokio::test]
async fn it_is_said_that_we_follow_once_the_last_block_was_told() {
    let (source, mut follower, mut believer) = start(2);
    // One more comes while the second is read.
    source.with(|inside| inside.later.push_back((4, Box::new(|chain| drop(chain.mine(vec![]))))));
    for change in told_by_then(&mut follower, Status::is_reliable).await {
        believer.take(&change);
    }
    assert_eq!(tip(&source).height, Height(3));
    assert_eq!(believer.seen.last(), Some(&tip(&source)));
}
