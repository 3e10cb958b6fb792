//! What the core is told of the mempool.

use crate::kit::{FakeChain, FakeSource, outpoint, script, tx};
use astrape_chain::{ChainSource as _, MempoolView, SourceError, Watch};
use bitcoin::{OutPoint, Transaction, Txid};
use std::sync::Arc;

fn first_output(tx: &Transaction) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout: 0 }
}

fn ids(txs: &[Arc<Transaction>]) -> Vec<Txid> {
    txs.iter().map(|tx| tx.compute_txid()).collect()
}

// attack 36
#[tokio::test]
async fn unconfirmed_spends_and_what_hangs_on_them_are_told_when_they_change() {
    let source = FakeSource::new(FakeChain::new());
    let mut view = MempoolView::default();
    let watched = [outpoint(1), outpoint(2)];
    assert_eq!(view.look(&*source, &watched).await, Ok(Some(vec![])), "first that there is nothing");
    assert_eq!(view.look(&*source, &watched).await, Ok(None), "and that once");

    let commitment = tx(&[outpoint(1)], &[script(1)]);
    let claim = tx(&[first_output(&commitment)], &[script(2)]);
    let stranger = tx(&[outpoint(9)], &[script(3)]);
    source.with(|inside| inside.mempool = vec![claim.clone(), stranger, commitment.clone()]);
    let told = view.look(&*source, &watched).await.unwrap().expect("they are new");
    assert_eq!(ids(&told), [commitment.compute_txid(), claim.compute_txid()], "parents first");
    assert_eq!(view.look(&*source, &watched).await, Ok(None));

    let replacement = tx(&[first_output(&commitment)], &[script(4)]);
    source.with(|inside| inside.mempool = vec![commitment.clone(), replacement.clone()]);
    let told = view.look(&*source, &watched).await.unwrap().expect("one was replaced");
    assert_eq!(ids(&told), [commitment.compute_txid(), replacement.compute_txid()]);

    source.with(|inside| inside.mempool.clear());
    assert_eq!(view.look(&*source, &watched).await, Ok(Some(vec![])), "they were confirmed or evicted");
}

#[tokio::test]
async fn a_transaction_that_spends_a_parent_and_a_watched_output_comes_behind_the_parent() {
    let source = FakeSource::new(FakeChain::new());
    let parent = tx(&[outpoint(1)], &[script(1)]);
    let both = tx(&[outpoint(2), first_output(&parent)], &[script(2)]);
    source.with(|inside| inside.mempool = vec![both.clone(), parent.clone()]);
    let told = MempoolView::default().look(&*source, &[outpoint(1), outpoint(2)]).await.unwrap().unwrap();
    assert_eq!(ids(&told), [parent.compute_txid(), both.compute_txid()]);
}

#[tokio::test]
async fn a_source_that_fails_leaves_what_was_told() {
    let source = FakeSource::new(FakeChain::new());
    let mut view = MempoolView::default();
    source.with(|inside| inside.mempool = vec![tx(&[outpoint(1)], &[script(1)])]);
    assert!(view.look(&*source, &[outpoint(1)]).await.unwrap().is_some());
    source.with(|inside| inside.failures = 1);
    assert!(matches!(view.look(&*source, &[outpoint(1)]).await, Err(SourceError::Unreachable(_))));
    assert_eq!(view.look(&*source, &[outpoint(1)]).await, Ok(None));
}

#[tokio::test]
async fn a_view_of_the_mempool_and_a_watch_over_it_find_the_same() {
    let source = FakeSource::new(FakeChain::new());
    let commitment = tx(&[outpoint(1)], &[script(1), script(2)]);
    let claim = tx(&[first_output(&commitment)], &[script(3)]);
    let mempool = vec![commitment, claim, tx(&[outpoint(5)], &[script(1)])];
    source.with(|inside| inside.mempool = mempool.clone());
    let mut watch = Watch::new();
    watch.add_outpoint(outpoint(1));
    watch.add_script(script(1));
    let outpoints: Vec<OutPoint> = watch.outpoints().copied().collect();
    let told = MempoolView::default().look(&*source, &outpoints).await.unwrap().unwrap();
    assert_eq!(told, watch.spends(mempool.into_iter().map(Arc::new)));
    assert!(source.in_mempool(told[0].compute_txid()).await.unwrap());
}
