//! What channels ask for forwarding, and forwards that wait for an application.

use super::Row;
use super::codec::{In, Out, Unreadable};
use super::key::Kind;
use super::parts::get_all;
use astrape_payment::intercept::Held;
use astrape_payment::{ChannelPolicy, ForwardPolicy, InboundFee};
use astrape_primitives::{ChannelKeysId, HtlcId, Msat, Timestamp};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};

impl Row for ChannelPolicy {
    type Id = ChannelKeysId;
    const KIND: Kind = Kind::ChannelPolicy;

    fn id_bytes(id: &ChannelKeysId) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<ChannelKeysId> {
        Some(ChannelKeysId(bytes.try_into().ok()?))
    }

    fn encode(&self) -> Vec<u8> {
        let out = Out::new();
        let out = match &self.own {
            Some(policy) => out.field(0, |out| put_policy(policy, out)),
            None => out,
        };
        out.field(2, |out| {
            for (policy, until) in &self.before {
                put_policy(policy, out);
                until.0.write(out);
            }
        })
        .finish()
    }

    fn decode(_: &ChannelKeysId, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let own = r.some_field(0, get_policy)?;
        let before = r.field(2, |r| get_all(r, |r| Ok((get_policy(r)?, Timestamp(r.read()?)))))?;
        r.finish()?;
        Ok(Self { own, before })
    }
}

impl Row for Held {
    type Id = (ChannelKeysId, HtlcId);
    const KIND: Kind = Kind::Held;

    fn id_bytes((channel, htlc): &Self::Id) -> Vec<u8> {
        [&channel.0[..], &htlc.0.to_be_bytes()].concat()
    }

    fn id_of(bytes: &[u8]) -> Option<Self::Id> {
        let (channel, htlc) = bytes.split_first_chunk::<32>()?;
        Some((ChannelKeysId(*channel), HtlcId(u64::from_be_bytes(htlc.try_into().ok()?))))
    }

    fn encode(&self) -> Vec<u8> {
        Out::new().value(0, &self.since.0).finish()
    }

    fn decode(_: &Self::Id, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let since = Timestamp(r.value(0)?);
        r.finish()?;
        Ok(Self { since })
    }
}

/// The largest HTLC is written as all ones where there is none.
fn put_policy(policy: &ForwardPolicy, out: &mut Vec<u8>) {
    policy.fee_base.write(out);
    policy.fee_proportional_millionths.write(out);
    policy.cltv_expiry_delta.write(out);
    policy.htlc_minimum.write(out);
    policy.htlc_maximum.unwrap_or(Msat(u64::MAX)).write(out);
    out.extend(policy.inbound.base_msat.to_be_bytes());
    out.extend(policy.inbound.proportional_millionths.to_be_bytes());
}

fn get_policy(r: &mut Reader<'_>) -> Result<ForwardPolicy, ValueError> {
    Ok(ForwardPolicy {
        fee_base: r.read()?,
        fee_proportional_millionths: r.read()?,
        cltv_expiry_delta: r.read()?,
        htlc_minimum: r.read()?,
        htlc_maximum: Some(r.read()?).filter(|most| *most != Msat(u64::MAX)),
        inbound: InboundFee {
            base_msat: i32::from_be_bytes(r.array()?),
            proportional_millionths: i32::from_be_bytes(r.array()?),
        },
    })
}
