//! The handshake of BOLT 8 on a socket: at most one act is held, and all of it has one deadline; the first act of who came
//! to us has a nearer one.

use crate::engine::clock;
use astrape_primitives::NodeId;
use astrape_transactions::signing::Signer;
use astrape_transport::handshake::{ACT_ONE_LEN, MAX_ACT};
use astrape_transport::{Handshake, HandshakeError, Progress, Secured};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

/// How long who came to us may take for the first act: it is sent as soon as the connection is there.
const FIRST_ACT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no secure connection.
#[derive(Debug, thiserror::Error)]
pub enum ShakeError {
    /// The other end does not keep to BOLT 8, or is not whom we wanted.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The other end came and said nothing.
    #[error("no first act within {} seconds", FIRST_ACT_TIMEOUT.as_secs())]
    Silent,
    /// The socket failed.
    #[error("the connection broke during the handshake: {0}")]
    Socket(#[from] std::io::Error),
}

/// Shakes hands as the one who dialled.
pub(crate) async fn initiate<R, W>(
    (reader, writer): (&mut R, &mut W),
    remote: NodeId,
    signer: &dyn Signer,
) -> Result<Secured, ShakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (handshake, act_one) = Handshake::initiate(signer.node_id(), remote, clock::fresh32(), clock::now())?;
    shake((reader, writer), handshake, Some(act_one), signer, || {}).await
}

/// Shakes hands as the one who listens. `has_spoken` is told when the first act has come.
pub(crate) async fn respond<R, W>(
    (reader, writer): (&mut R, &mut W),
    signer: &dyn Signer,
    has_spoken: impl Fn(),
) -> Result<Secured, ShakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let handshake = Handshake::respond(signer.node_id(), clock::fresh32(), clock::now());
    shake((reader, writer), handshake, None, signer, has_spoken).await
}

async fn shake<R, W>(
    (reader, writer): (&mut R, &mut W),
    mut handshake: Handshake,
    first: Option<[u8; ACT_ONE_LEN]>,
    signer: &dyn Signer,
    has_spoken: impl Fn(),
) -> Result<Secured, ShakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let deadline = clock::until(handshake.deadline());
    let first_act_by = Instant::now() + FIRST_ACT_TIMEOUT;
    let acts = async {
        let mut awaits_first = first.is_none();
        if let Some(act_one) = first {
            writer.write_all(&act_one).await?;
        }
        let mut buffer = [0; MAX_ACT];
        loop {
            let wanted = handshake.wanted();
            let reading = reader.read(&mut buffer[..wanted]);
            let count = match awaits_first {
                true => timeout_at(first_act_by, reading).await.map_err(|_| ShakeError::Silent)??,
                false => reading.await?,
            };
            if count == 0 {
                return Err(handshake.closed().into());
            }
            let ecdh = |point: &_| signer.ecdh(point);
            let (_, progress) = handshake.receive(&buffer[..count], clock::now(), &ecdh)?;
            match progress {
                Progress::NeedMore => {}
                Progress::Reply(act_two) => {
                    awaits_first = false;
                    has_spoken();
                    writer.write_all(&act_two).await?;
                }
                Progress::Initiated(act_three, secured) => {
                    writer.write_all(&act_three).await?;
                    return Ok(secured);
                }
                Progress::Responded(secured) => return Ok(secured),
            }
        }
    };
    match tokio::time::timeout(deadline, acts).await {
        Ok(ended) => ended,
        Err(_) => Err(ShakeError::Socket(std::io::ErrorKind::TimedOut.into())),
    }
}
