//! How far the announcement of a channel is. No row while nothing was said of it.

use super::super::codec::{In, Out, Unreadable};
use astrape_channel::{Announcement, AnnouncementHalf};
use astrape_wire::codec::Field as _;

pub(super) fn encode(announcement: &Announcement) -> Vec<u8> {
    let out = Out::new().field(0, |out| out.push(u8::from(announcement.sent)));
    match &announcement.received {
        None => out,
        Some(half) => out.field(2, |out| {
            half.node_signature.write(out);
            half.bitcoin_signature.write(out);
        }),
    }
    .finish()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Announcement, Unreadable> {
    let mut r = In::new(bytes)?;
    let sent = r.value::<u8>(0)? != 0;
    let received = r.some_field(2, |r| {
        Ok(AnnouncementHalf { node_signature: r.read()?, bitcoin_signature: r.read()? })
    })?;
    r.finish()?;
    Ok(Announcement { sent, received })
}
