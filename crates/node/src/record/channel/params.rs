//! What was agreed on, written once.

use super::super::codec::{In, Out, Unreadable};
use super::super::parts::{get_side, put_side};
use astrape_channel::{Announced, Params};
use astrape_primitives::ChannelKeysId;
use astrape_transactions::{Basepoints, CommitmentFormat};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field, Reader};

pub(super) fn encode(params: &Params) -> Vec<u8> {
    Out::new()
        .bytes(0, &params.keys.0)
        .value(2, &params.peer)
        .value(4, &params.channel_id)
        .field(6, |out| put_side(params.opener, out))
        .field(8, |out| out.push(format_number(params.format)))
        .field(10, |out| out.extend([u8::from(params.scid_alias), u8::from(params.announce)]))
        .field(12, |out| put_announced(&params.local, out))
        .some(14, params.local.upfront_shutdown_script.as_ref())
        .field(16, |out| put_announced(&params.remote, out))
        .some(18, params.remote.upfront_shutdown_script.as_ref())
        .value(20, &params.minimum_depth)
        .value(22, &params.local_alias)
        .value(24, &params.funded_at)
        .finish()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Params, Unreadable> {
    let mut r = In::new(bytes)?;
    let keys = ChannelKeysId(r.field(0, |r| r.array())?);
    let (peer, channel_id) = (r.value(2)?, r.value(4)?);
    let opener = r.field(6, get_side)?;
    let format = format_of(r.value(8)?).ok_or(Unreadable::Senseless("an unknown commitment format"))?;
    let flags: [u8; 2] = r.field(10, |r| r.array())?;
    let mut local = r.field(12, get_announced)?;
    local.upfront_shutdown_script = r.some(14)?;
    let mut remote = r.field(16, get_announced)?;
    remote.upfront_shutdown_script = r.some(18)?;
    let params = Params {
        keys,
        peer,
        channel_id,
        opener,
        format,
        scid_alias: flags[0] != 0,
        announce: flags[1] != 0,
        local,
        remote,
        minimum_depth: r.value(20)?,
        local_alias: r.value(22)?,
        funded_at: r.value(24)?,
    };
    r.finish()?;
    Ok(params)
}

fn format_number(format: CommitmentFormat) -> u8 {
    match format {
        CommitmentFormat::StaticRemotekey => 1,
        CommitmentFormat::Anchors => 2,
    }
}

fn format_of(number: u8) -> Option<CommitmentFormat> {
    [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors]
        .into_iter()
        .find(|f| format_number(*f) == number)
}

fn put_announced(side: &Announced, out: &mut Vec<u8>) {
    let keys = &side.basepoints;
    for key in [keys.funding, keys.revocation, keys.payment, keys.delayed_payment, keys.htlc] {
        key.write(out);
    }
    side.dust_limit.write(out);
    side.max_htlc_value_in_flight.write(out);
    side.channel_reserve.write(out);
    side.htlc_minimum.write(out);
    side.to_self_delay.write(out);
    side.max_accepted_htlcs.write(out);
}

fn get_announced(r: &mut Reader<'_>) -> Result<Announced, ValueError> {
    Ok(Announced {
        basepoints: Basepoints {
            funding: r.read()?,
            revocation: r.read()?,
            payment: r.read()?,
            delayed_payment: r.read()?,
            htlc: r.read()?,
        },
        dust_limit: r.read()?,
        max_htlc_value_in_flight: r.read()?,
        channel_reserve: r.read()?,
        htlc_minimum: r.read()?,
        to_self_delay: r.read()?,
        max_accepted_htlcs: r.read()?,
        upfront_shutdown_script: None,
    })
}
