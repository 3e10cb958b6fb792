//! A channel as rows: the parts that change together lie together, and only those that changed are written.

mod announcement;
mod commitments;
mod funding;
mod head;
mod htlc;
mod params;

use super::codec::Unreadable;
use super::key::ChannelRow;
use crate::journal::Key;
use astrape_channel::{Announcement, Channel, Closed, Closing, HtlcKey, Link, NewHtlc, Open, Phase};
use astrape_primitives::{ChannelKeysId, SharedMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Adds the rows that differ between two values of a channel.
pub(crate) fn diff_channel(
    old: Option<&Channel>,
    new: Option<&Channel>,
    out: &mut BTreeMap<Key, Option<Vec<u8>>>,
) {
    let Some(keys) = old.or(new).map(Channel::keys) else {
        return;
    };
    let mut rows = Rows { keys, out };
    let (old_open, new_open) = (old.and_then(Channel::open), new.and_then(Channel::open));
    rows.part(ChannelRow::Params, old.and_then(params_of), new.and_then(params_of), |p| params::encode(p));
    rows.part(ChannelRow::Head, old.and_then(head::Head::of), new.and_then(head::Head::of), |h| h.encode());
    rows.part(ChannelRow::Funding, old_open.map(|o| &o.funding), new_open.map(|o| &o.funding), |f| {
        funding::encode(f)
    });
    let announcement = |o: &Open| Some(o.announcement).filter(|a| *a != Announcement::default());
    rows.part(
        ChannelRow::Announcement,
        old_open.and_then(announcement),
        new_open.and_then(announcement),
        announcement::encode,
    );
    rows.part(ChannelRow::Local, old_open.map(|o| &o.local), new_open.map(|o| &o.local), |l| {
        commitments::encode_local(l)
    });
    let remote = |o: &Open| commitments::RemoteHead::of(&o.remote);
    rows.part(ChannelRow::Remote, old_open.map(remote), new_open.map(remote), |r| r.encode());
    let secrets = |o: &Open| o.remote.secrets.next();
    if old_open.map(secrets) != new_open.map(secrets) {
        rows.set(ChannelRow::Secrets, new_open.map(|o| commitments::encode_secrets(&o.remote.secrets)));
    }
    rows.htlcs(old_open, new_open);
    rows.waiting(old_open, new_open);
}

struct Rows<'a> {
    keys: ChannelKeysId,
    out: &'a mut BTreeMap<Key, Option<Vec<u8>>>,
}

impl Rows<'_> {
    fn set(&mut self, row: ChannelRow, value: Option<Vec<u8>>) {
        self.out.insert(row.key(&self.keys), value);
    }

    fn part<T: PartialEq>(
        &mut self,
        row: ChannelRow,
        old: Option<T>,
        new: Option<T>,
        encode: impl Fn(&T) -> Vec<u8>,
    ) {
        if old != new {
            self.set(row, new.as_ref().map(encode));
        }
    }

    fn htlcs(&mut self, old: Option<&Open>, new: Option<&Open>) {
        let empty = SharedMap::new();
        let (old, new) = (old.map_or(&empty, |o| &o.htlcs), new.map_or(&empty, |o| &o.htlcs));
        for ((side, id), _, new) in old.differences(new) {
            self.set(ChannelRow::Htlc(*side, *id), new.map(|htlc| htlc::encode(htlc)));
        }
    }

    fn waiting(&mut self, old: Option<&Open>, new: Option<&Open>) {
        let empty: Vec<Arc<NewHtlc>> = Vec::new();
        let old = old.map_or(&empty, |o| &o.waiting);
        let new = new.map_or(&empty, |o| &o.waiting);
        for place in 0..old.len().max(new.len()) {
            let (o, n) = (old.get(place), new.get(place));
            let same = matches!((o, n), (Some(o), Some(n)) if Arc::ptr_eq(o, n) || o == n);
            if !same {
                let row = ChannelRow::Waiting(u32::try_from(place).expect("bounded by max_accepted_htlcs"));
                self.set(row, n.map(|n| htlc::encode_new(n)));
            }
        }
    }
}

/// Shared, so that parameters which are still the same are not compared key by key.
fn params_of(channel: &Channel) -> Option<&Arc<astrape_channel::Params>> {
    match &channel.phase {
        Phase::Opening(_) => None,
        Phase::Open(open) => Some(&open.params),
        Phase::Closing(closing) => Some(&closing.open.params),
        Phase::Closed(closed) => Some(&closed.params),
    }
}

/// The rows of one channel, as they are read.
#[derive(Default)]
pub(crate) struct ChannelRows<'a> {
    params: Option<&'a [u8]>,
    head: Option<&'a [u8]>,
    funding: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    remote: Option<&'a [u8]>,
    secrets: Option<&'a [u8]>,
    htlcs: BTreeMap<HtlcKey, &'a [u8]>,
    waiting: BTreeMap<u32, &'a [u8]>,
    announcement: Option<&'a [u8]>,
}

impl<'a> ChannelRows<'a> {
    pub(crate) fn add(&mut self, row: ChannelRow, value: &'a [u8]) {
        match row {
            ChannelRow::Params => self.params = Some(value),
            ChannelRow::Head => self.head = Some(value),
            ChannelRow::Funding => self.funding = Some(value),
            ChannelRow::Local => self.local = Some(value),
            ChannelRow::Remote => self.remote = Some(value),
            ChannelRow::Secrets => self.secrets = Some(value),
            ChannelRow::Htlc(side, id) => {
                self.htlcs.insert((side, id), value);
            }
            ChannelRow::Waiting(place) => {
                self.waiting.insert(place, value);
            }
            ChannelRow::Announcement => self.announcement = Some(value),
        }
    }

    /// Puts the channel of these keys together.
    pub(crate) fn restore(self, keys: &ChannelKeysId) -> Result<Channel, InRow> {
        let params = read(ChannelRow::Params, self.params, params::decode)?;
        if params.keys != *keys {
            return Err((ChannelRow::Params, Unreadable::Senseless("the parameters of another channel")));
        }
        let params = Arc::new(params);
        let head = read(ChannelRow::Head, self.head, head::Head::decode)?;
        let senseless = |what| Err((ChannelRow::Head, Unreadable::Senseless(what)));
        let phase = match (head.phase, head.body) {
            (head::PhaseTag::Closed(_), _) if self.has_rows_of_an_open_channel() => {
                return senseless("rows of an open channel, though it is over");
            }
            (head::PhaseTag::Closed(txid), _) => Phase::Closed(Closed { params, txid }),
            (head::PhaseTag::Open, Some(body)) => Phase::Open(Box::new(self.open(params, body)?)),
            (head::PhaseTag::Closing(how), Some(body)) => {
                let open = self.open(params, body)?;
                let how = how.with(&open);
                Phase::Closing(Box::new(Closing { open, how }))
            }
            (_, None) => return senseless("an open channel without balances"),
        };
        Ok(Channel { link: Link::Down, phase })
    }

    fn has_rows_of_an_open_channel(&self) -> bool {
        [self.funding, self.local, self.remote, self.secrets, self.announcement].iter().any(Option::is_some)
            || !self.htlcs.is_empty()
            || !self.waiting.is_empty()
    }

    fn open(self, params: Arc<astrape_channel::Params>, body: head::Body) -> Result<Open, InRow> {
        let secrets = read(ChannelRow::Secrets, self.secrets, commitments::decode_secrets)?;
        let remote = |bytes: &[u8]| commitments::RemoteHead::decode(bytes)?.with(secrets);
        let mut htlcs = SharedMap::new();
        for ((side, id), bytes) in self.htlcs {
            let htlc = read(ChannelRow::Htlc(side, id), Some(bytes), |bytes| htlc::decode(side, id, bytes))?;
            htlcs.insert((side, id), Arc::new(htlc));
        }
        let announcement = match self.announcement {
            None => Announcement::default(),
            row => read(ChannelRow::Announcement, row, announcement::decode)?,
        };
        let mut waiting = Vec::new();
        for ((place, bytes), expected) in self.waiting.into_iter().zip(0..) {
            if place != expected {
                return Err((ChannelRow::Waiting(expected), Unreadable::NoRow));
            }
            waiting.push(Arc::new(read(ChannelRow::Waiting(place), Some(bytes), htlc::decode_new)?));
        }
        Ok(Open {
            funding: read(ChannelRow::Funding, self.funding, |bytes| funding::decode(bytes, &params))?,
            params,
            balances: body.balances,
            htlcs,
            fees: body.fees,
            local: read(ChannelRow::Local, self.local, commitments::decode_local)?,
            remote: read(ChannelRow::Remote, self.remote, remote)?,
            next_local_id: body.next_local_id,
            next_remote_id: body.next_remote_id,
            waiting,
            waiting_feerate: body.waiting_feerate,
            readiness: body.readiness,
            announcement,
            shutdown: body.shutdown,
        })
    }
}

/// What is wrong, and with which row of the channel.
pub(crate) type InRow = (ChannelRow, Unreadable);

/// Reads a row that must be there.
fn read<T>(
    row: ChannelRow,
    bytes: Option<&[u8]>,
    decode: impl FnOnce(&[u8]) -> Result<T, Unreadable>,
) -> Result<T, InRow> {
    bytes.ok_or(Unreadable::NoRow).and_then(decode).map_err(|e| (row, e))
}
