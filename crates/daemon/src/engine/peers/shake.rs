//! The handshake of BOLT 8 on a socket: at most one act is held, and all of it has one deadline.

use crate::engine::clock;
use astrape_primitives::NodeId;
use astrape_transactions::signing::Signer;
use astrape_transport::handshake::{ACT_ONE_LEN, MAX_ACT};
use astrape_transport::{Handshake, HandshakeError, Progress, Secured};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Why there is no secure connection.
#[derive(Debug, thiserror::Error)]
pub enum ShakeError {
    /// The other end does not keep to BOLT 8, or is not whom we wanted.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
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
    shake(reader, writer, handshake, Some(act_one), signer).await
}

/// Shakes hands as the one who listens.
pub(crate) async fn respond<R, W>(
    (reader, writer): (&mut R, &mut W),
    signer: &dyn Signer,
) -> Result<Secured, ShakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let handshake = Handshake::respond(signer.node_id(), clock::fresh32(), clock::now());
    shake(reader, writer, handshake, None, signer).await
}

async fn shake<R, W>(
    reader: &mut R,
    writer: &mut W,
    mut handshake: Handshake,
    first: Option<[u8; ACT_ONE_LEN]>,
    signer: &dyn Signer,
) -> Result<Secured, ShakeError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let deadline = clock::until(handshake.deadline());
    let acts = async {
        if let Some(act_one) = first {
            writer.write_all(&act_one).await?;
        }
        let mut buffer = [0; MAX_ACT];
        loop {
            let wanted = handshake.wanted();
            let count = reader.read(&mut buffer[..wanted]).await?;
            if count == 0 {
                return Err(handshake.closed().into());
            }
            let ecdh = |point: &_| signer.ecdh(point);
            let (_, progress) = handshake.receive(&buffer[..count], clock::now(), &ecdh)?;
            match progress {
                Progress::NeedMore => {}
                Progress::Reply(act_two) => writer.write_all(&act_two).await?,
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
