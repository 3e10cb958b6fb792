//! The half of a connection that writes: what the core wants said is signed, encoded and encrypted here, in its order. A slow
//! signer is a slow socket.

use super::link::{Link, ToPeer};
use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_channel::{OnionSource, Outgoing, Signing};
use astrape_node::release::{ReleaseError, Spoken, speak};
use astrape_node::{Input, SignerAnswer, Speech};
use astrape_onion::OnionRecipe;
use astrape_primitives::in_parallel;
use astrape_transactions::signing::Signer;
use astrape_transport::{Encryptor, TransportError};
use astrape_wire::{EncodeError, Message};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// What is taken from the queue at once, so that a burst is signed and sent together.
const MAX_BATCH: usize = 64;

/// What is signed on the connection's own task, in signatures: less than a millisecond.
const MAX_WORK_HERE: usize = 32;

/// From so many onions on, several threads build them, some 70 microseconds for each hop.
const MIN_PARALLEL: usize = 8;

/// Bytes that are gathered before they are written.
const WRITE_CHUNK: usize = 64 * 1024;

/// How long one write may take. A peer that takes no byte for so long does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the last words may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("a message cannot be written: {0}")]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the connection broke: {0}")]
    Socket(#[from] std::io::Error),
    #[error("the peer does not read")]
    Timeout,
    #[error("signing panicked")]
    Panic,
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("the connection ends")]
    Gone,
}

/// Writes until the connection ends, then ends the other half too.
pub(crate) async fn run<W: AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    link: Arc<Link>,
    socket: W,
    encryptor: Encryptor,
    queue: mpsc::UnboundedReceiver<ToPeer>,
) {
    let mut writer = Writer { shared, link, socket, encryptor, out: Vec::new() };
    match writer.serve(queue).await {
        Ok(()) | Err(WriteError::Gone | WriteError::Stopped(_)) => {}
        // Half of an exchange that the journal has as whole would be said: see `ReleaseError`.
        Err(WriteError::Release(error @ ReleaseError::Channel { channel, .. })) => {
            tracing::error!(peer = %writer.link.peer, %error, "a channel stands still; please report this");
            let refused = Input::Signer(SignerAnswer::Refused { channel });
            // When the core has stopped, the same comes again at the next start.
            let _ = writer.shared.core.input(refused).await;
        }
        Err(error @ (WriteError::Release(_) | WriteError::Panic)) => writer.shared.shutdown.fail(error),
        Err(error) => tracing::info!(peer = %writer.link.peer, %error, "cannot write to the peer"),
    }
    writer.link.gone.raise();
    drop(tokio::time::timeout(CLOSE_TIMEOUT, writer.socket.shutdown()).await);
}

struct Writer<W> {
    shared: Arc<Shared>,
    link: Arc<Link>,
    socket: W,
    encryptor: Encryptor,
    /// Encrypted, not yet written.
    out: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn serve(&mut self, mut queue: mpsc::UnboundedReceiver<ToPeer>) -> Result<(), WriteError> {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                () = self.link.gone.raised() => return Err(WriteError::Gone),
                count = queue.recv_many(&mut batch, MAX_BATCH) => if count == 0 { return Ok(()) },
            }
            let Words { spoken, closes, permits } =
                words(std::mem::take(&mut batch), &self.shared.signer).await?;
            for said in spoken {
                let Spoken { message, answer } = match said {
                    Said::Spoken(spoken) => spoken,
                    Said::Encoded(bytes) => {
                        self.encryptor.seal(&bytes, &mut self.out)?;
                        continue;
                    }
                };
                if let Some(answer) = answer {
                    // Before the message leaves: the peer's answer to it may need the point.
                    self.shared.core.input(Input::Signer(answer)).await?;
                }
                if let Some(message) = message {
                    tracing::trace!(peer = %self.link.peer, message = message.name(), "sent");
                    self.count_signatures(&message);
                    self.encryptor.seal(&message.encode()?, &mut self.out)?;
                }
                if self.out.len() >= WRITE_CHUNK {
                    self.flush().await?;
                }
            }
            self.flush().await?;
            drop(permits);
            if closes {
                return Ok(());
            }
        }
    }

    fn count_signatures(&self, message: &Message) {
        if let Message::CommitmentSigned(signed) = message {
            let signatures = 1 + signed.htlc_signature.len() as u64;
            self.shared.commitment_signatures.fetch_add(signatures, Ordering::Relaxed);
        }
    }

    async fn flush(&mut self) -> Result<(), WriteError> {
        let writing = async {
            self.socket.write_all(&self.out).await?;
            self.socket.flush().await
        };
        tokio::select! {
            () = self.link.gone.raised() => return Err(WriteError::Gone),
            written = tokio::time::timeout(WRITE_TIMEOUT, writing) => written.map_err(|_| WriteError::Timeout)??,
        }
        self.out.clear();
        self.out.shrink_to(WRITE_CHUNK);
        Ok(())
    }
}

/// One thing to say.
enum Said {
    Spoken(Spoken),
    Encoded(Arc<[u8]>),
}

/// What became of a batch.
struct Words {
    spoken: Vec<Said>,
    /// Whether the connection closes after them.
    closes: bool,
    /// Held until they are written.
    permits: Vec<OwnedSemaphorePermit>,
}

/// Makes messages of a batch, in its order. What takes long to sign is signed on a thread where it may block; what does not
/// is signed here, since the way to that thread and back would cost as much.
async fn words(batch: Vec<ToPeer>, signer: &Arc<dyn Signer>) -> Result<Words, WriteError> {
    if batch.iter().map(work).sum::<usize>() <= MAX_WORK_HERE {
        return Ok(say_all(batch, &**signer)?);
    }
    let signer = Arc::clone(signer);
    let signing = tokio::task::spawn_blocking(move || say_all(with_onions(batch)?, &*signer));
    Ok(signing.await.map_err(|_| WriteError::Panic)??)
}

/// What it takes to say something, in signatures: some 25 microseconds each.
fn work(item: &ToPeer) -> usize {
    let ToPeer::Speech(speech, _) = item else { return 0 };
    match &**speech {
        Speech::Plain(_) | Speech::Probe | Speech::Channel(Outgoing::Plain(_)) => 0,
        Speech::Channel(Outgoing::Add { onion: OnionSource::Packet(_), .. }) => 0,
        Speech::Channel(Outgoing::Add { onion: OnionSource::Recipe(recipe), .. }) => 4 * recipe.hops.len(),
        Speech::Channel(Outgoing::Sign(Signing::CommitmentSigned { request, .. })) => {
            8 + request.content.htlcs.len()
        }
        Speech::Channel(Outgoing::Sign(_)) => 8,
        Speech::Channel(Outgoing::Revoke { .. } | Outgoing::AnnouncementSignatures { .. }) => 2,
        Speech::SignChannelUpdate(_) => 1,
    }
}

/// Builds the onions of a batch beside one another.
fn with_onions(mut batch: Vec<ToPeer>) -> Result<Vec<ToPeer>, ReleaseError> {
    let sources: Vec<_> = batch.iter_mut().filter_map(recipe).collect();
    let recipes: Vec<_> = sources.iter().map(|(_, recipe)| Arc::clone(recipe)).collect();
    let onions = in_parallel(&recipes, MIN_PARALLEL, |recipe| recipe.build());
    for ((source, _), onion) in sources.into_iter().zip(onions) {
        *source = OnionSource::Packet(onion?);
    }
    Ok(batch)
}

/// Where an onion is to be, and what it is made of.
fn recipe(item: &mut ToPeer) -> Option<(&mut OnionSource, Arc<OnionRecipe>)> {
    let ToPeer::Speech(speech, _) = item else { return None };
    let Speech::Channel(Outgoing::Add { onion, .. }) = &mut **speech else { return None };
    let OnionSource::Recipe(recipe) = onion else { return None };
    let recipe = Arc::clone(recipe);
    Some((onion, recipe))
}

fn say_all(batch: Vec<ToPeer>, signer: &dyn Signer) -> Result<Words, ReleaseError> {
    let mut words = Words { spoken: Vec::with_capacity(batch.len()), closes: false, permits: Vec::new() };
    for item in batch {
        match item {
            ToPeer::Speech(speech, permit) => {
                words.spoken.push(Said::Spoken(speak(*speech, signer)?));
                words.permits.push(permit);
            }
            ToPeer::Session(message, permit) => {
                words.spoken.push(Said::Spoken(Spoken { message: Some(message), answer: None }));
                words.permits.push(permit);
            }
            ToPeer::Gossip(bytes, permit) => {
                words.spoken.push(Said::Encoded(bytes));
                words.permits.push(permit);
            }
            ToPeer::Close => {
                words.closes = true;
                break;
            }
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_onion::OnionHop;
    use astrape_primitives::{ChannelId, CltvExpiry, HtlcId, Msat, Network, PaymentHash};
    use astrape_signer::{InProcessSigner, Seed};

    fn batch(adds: u8) -> Vec<ToPeer> {
        let bytes = Arc::new(tokio::sync::Semaphore::new(usize::from(adds) * 2));
        let permit = || Arc::clone(&bytes).try_acquire_owned().expect("enough");
        let speech = |speech| ToPeer::Speech(Box::new(speech), permit());
        let secp = bitcoin::secp256k1::Secp256k1::new();
        let key = |byte| bitcoin::secp256k1::SecretKey::from_slice(&[byte; 32]).expect("a key");
        (1..=adds)
            .flat_map(|n| {
                let hops = vec![OnionHop { node: key(n).public_key(&secp), payload: vec![n; 40] }];
                let hash = PaymentHash([n; 32]);
                let recipe = OnionRecipe { session_key: [n + 1; 32], hops, associated_data: hash };
                let add = Outgoing::Add {
                    channel_id: ChannelId([7; 32]),
                    id: HtlcId(n.into()),
                    amount: Msat(1),
                    payment_hash: hash,
                    cltv_expiry: CltvExpiry(500),
                    onion: OnionSource::Recipe(Arc::new(recipe)),
                };
                [speech(Speech::Channel(add)), speech(Speech::Probe)]
            })
            .collect()
    }

    #[test]
    fn onions_that_are_built_beside_one_another_are_said_with_their_own_htlcs() {
        let signer = InProcessSigner::new(&Seed::from_entropy([5; 32]), Network::Regtest);
        let messages = |batch| {
            let words = say_all(batch, &signer).expect("nothing is signed");
            let message = |said: Said| match said {
                Said::Spoken(spoken) => spoken.message,
                Said::Encoded(_) => panic!("there is no gossip in it"),
            };
            words.spoken.into_iter().map(message).collect::<Vec<_>>()
        };
        for adds in [0, 1, 7, 8, 40] {
            let built = with_onions(batch(adds)).expect("they fit");
            let are_built = |item: &ToPeer| work(item) == 0;
            assert!(built.iter().all(are_built), "an onion is left to be built");
            assert_eq!(messages(built), messages(batch(adds)));
        }
    }
}
