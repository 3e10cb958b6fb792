use super::*;
use crate::engine::EmbeddedChain;
use astrape_chain::starting_cursor;
use astrape_primitives::{NodeId, Sat};
use astrape_regtest::RegtestChain;
use astrape_signer::Seed;
use astrape_storage::SqliteJournal;
use astrape_wallet::Coins;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, TxIn, TxOut};
use tempfile::TempDir;

/// A wallet alone beside a chain, with the coins that the core would have.
struct Alone {
    wallet: Wallet,
    chain: EmbeddedChain,
    coins: Coins,
    _dir: TempDir,
}

impl Alone {
    async fn begin() -> Self {
        let dir = TempDir::new().expect("a directory");
        let node = NodeId::from_bytes([2; 33]).expect("a point");
        let (journal, _) = SqliteJournal::open(dir.path(), Network::Regtest, node).expect("it can be made");
        let signer = InProcessSigner::new(&Seed::from_entropy([9; 32]), Network::Regtest);
        let store = journal.wallet_changesets().expect("it can be opened once more");
        let wallet = Wallet::open(&signer, Network::Regtest, store, false).expect("a new one");
        let mut alone = Self { wallet, chain: EmbeddedChain::new(), coins: Coins::default(), _dir: dir };
        alone.starts().await;
        alone
    }

    /// What a start tells, the core taking it.
    async fn starts(&mut self) -> Vec<WalletFinding> {
        let recent = starting_cursor(&self.chain, 10).await.expect("it answers at once");
        let coins = self.coins.iter().cloned().collect();
        let found = self.wallet.begin(&self.chain, recent, None, coins).await.expect("a disk");
        self.take(&found);
        found
    }

    fn take(&mut self, found: &[WalletFinding]) {
        found.iter().cloned().for_each(|finding| drop(self.coins.apply(finding)));
    }

    /// A payment to us that waits in the mempool.
    async fn is_paid(&self, amount: Sat) -> OutPoint {
        let script = self.wallet.new_address(Keychain::External).await.expect("a disk").script_pubkey();
        self.chain.change(|chain| chain.fund(&script, amount)).expect("the faucet has coins")
    }

    /// The block on top of the chain comes, and what the wallet misses is read.
    async fn sees_tip(&self) -> Vec<WalletFinding> {
        let id = self.chain.look(RegtestChain::tip);
        let block = self.chain.look(|chain| chain.block(&id.hash)).expect("it was mined");
        let mut found = self.wallet.connected(id, &block).await.expect("a disk");
        while self.wallet.is_behind() {
            let read = self.wallet.read(&self.chain, id.height).await;
            found.extend(self.wallet.take(read).await.expect("a disk"));
        }
        found
    }
}

#[tokio::test]
async fn a_block_that_comes_while_those_before_it_are_read_is_read_too() {
    let mut alone = Alone::begin().await;
    alone.chain.mine(2);
    let to = alone.chain.look(RegtestChain::tip);
    let read = alone.wallet.read(&alone.chain, to.height).await;
    let coin = alone.is_paid(Sat(70_000)).await;
    alone.chain.mine(1);
    let tip = alone.chain.look(RegtestChain::tip);
    let block = alone.chain.look(|chain| chain.block(&tip.hash)).expect("it was mined");
    assert_eq!(alone.wallet.connected(tip, &block).await.expect("a disk"), [], "it lacks two");
    assert_eq!(alone.wallet.take(read).await.expect("a disk"), []);
    assert!(alone.wallet.is_behind());
    let found = alone.sees_tip().await;
    alone.take(&found);
    assert_eq!(alone.coins.get(&coin).and_then(|coin| coin.confirmed), Some(tip.height));
}

#[tokio::test]
async fn a_block_that_goes_and_comes_again_is_told_again() {
    let mut alone = Alone::begin().await;
    let coin = alone.is_paid(Sat(70_000)).await;
    alone.chain.mine(1);
    let found = alone.sees_tip().await;
    assert!(matches!(&found[..], [WalletFinding::Confirmed { coin: found, .. }] if found.outpoint == coin));
    alone.take(&found);
    let tip = alone.chain.look(RegtestChain::tip);
    let gone = alone.wallet.disconnected(tip).await.expect("a disk");
    alone.take(&gone);
    assert_eq!(alone.coins.get(&coin).and_then(|coin| coin.confirmed), None);
    let again = alone.sees_tip().await;
    alone.take(&again);
    assert_eq!(alone.coins.get(&coin).and_then(|coin| coin.confirmed), Some(tip.height));
}

#[tokio::test]
async fn a_transaction_of_ours_that_a_block_has_beaten_makes_no_coin_and_what_has_beaten_it_is_named() {
    let mut alone = Alone::begin().await;
    let coin = alone.is_paid(Sat(70_000)).await;
    alone.chain.mine(1);
    let found = alone.sees_tip().await;
    alone.take(&found);
    let own = alone.wallet.new_address(Keychain::Internal).await.expect("a disk").script_pubkey();
    let pay = |script: ScriptBuf, value| Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output: coin, ..TxIn::default() }],
        output: vec![TxOut { value: Amount::from_sat(value), script_pubkey: script }],
    };
    let (ours, other) = (pay(own, 60_000), pay(RegtestChain::faucet_script(), 50_000));
    let notes = async |tx: &Transaction| {
        let tx = tx.clone();
        alone.wallet.with(move |inner| inner.note_unconfirmed(tx)).await.expect("a thread").expect("a disk")
    };
    assert!(matches!(&notes(&ours).await[..], [WalletFinding::Unconfirmed { .. }]));
    // A block by somebody who has the same words; whether its scripts hold is not the wallet's business.
    let tip = alone.chain.look(RegtestChain::tip);
    let mut block = (*alone.chain.look(|chain| chain.block(&tip.hash)).expect("it was mined")).clone();
    block.header.prev_blockhash = tip.hash;
    block.txdata = vec![other.clone()];
    let id = BlockId { height: tip.height.plus(1), hash: block.block_hash() };
    let found = alone.wallet.connected(id, &Arc::new(block)).await.expect("a disk");
    let spent = WalletFinding::Spent { outpoint: coin, height: id.height, by: other.compute_txid() };
    assert_eq!(found, [spent]);
    assert_eq!(notes(&ours).await, [], "it is offered once more, and brings nothing");
}

#[tokio::test]
async fn a_reorganisation_of_which_a_stop_kept_the_core_from_hearing_is_told_at_the_next_start() {
    let mut alone = Alone::begin().await;
    let deep = alone.is_paid(Sat(30_000)).await;
    alone.chain.mine(1);
    let found = alone.sees_tip().await;
    alone.take(&found);
    let at = alone.chain.look(RegtestChain::tip).height;
    let coin = alone.is_paid(Sat(70_000)).await;
    alone.chain.mine(1);
    let found = alone.sees_tip().await;
    alone.take(&found);
    assert!(alone.coins.get(&coin).is_some_and(|coin| coin.confirmed.is_some()));
    // In the other branch it is not; the wallet has seen that when the process dies.
    alone.chain.change(|chain| {
        chain.reorg(1);
        chain.evict(&coin.txid);
    });
    alone.chain.mine(2);
    let lost = alone.sees_tip().await;
    assert!(lost.iter().any(|finding| matches!(finding, WalletFinding::Reorged { .. })), "{lost:?}");
    let told = alone.starts().await;
    assert!(told.contains(&WalletFinding::Reorged { from: at.plus(1) }), "{told:?}");
    assert_eq!(alone.coins.get(&coin).and_then(|coin| coin.confirmed), None);
    assert_eq!(alone.coins.get(&deep).and_then(|coin| coin.confirmed), Some(at));
    // Nothing of that where nothing was lost: it would free what a block's reward is set aside for.
    let told = alone.starts().await;
    assert!(!told.iter().any(|finding| matches!(finding, WalletFinding::Reorged { .. })), "{told:?}");
}

#[tokio::test]
async fn a_wallet_that_misses_blocks_reads_them_in_parts_and_in_their_order() {
    let mut alone = Alone::begin().await;
    let first = alone.is_paid(Sat(30_000)).await;
    alone.chain.mine(40);
    let last = alone.is_paid(Sat(70_000)).await;
    alone.chain.mine(1);
    let tip = alone.chain.look(RegtestChain::tip);
    let block = alone.chain.look(|chain| chain.block(&tip.hash)).expect("it was mined");
    assert_eq!(alone.wallet.connected(tip, &block).await.expect("a disk"), []);
    assert!(alone.wallet.is_behind());
    let mut parts = Vec::new();
    while alone.wallet.is_behind() {
        let read = alone.wallet.read(&alone.chain, tip.height).await;
        parts.push(alone.wallet.take(read).await.expect("a disk"));
    }
    assert!(parts.len() > 1, "nothing else waits for all of them");
    let found: Vec<WalletFinding> = parts.into_iter().flatten().collect();
    alone.take(&found);
    let confirmed = |coin| alone.coins.get(coin).and_then(|coin| coin.confirmed);
    assert_eq!(confirmed(&last), Some(tip.height));
    assert_eq!(confirmed(&first), Some(Height(tip.height.0 - 40)));
    assert_eq!(alone.wallet.height().await.expect("a thread"), tip.height);
}
