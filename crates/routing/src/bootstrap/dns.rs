//! DNS messages (RFC 1035, 3596, 2782), as far as BOLT 10 needs them. Answers are hostile until shown otherwise: every
//! length is checked, names are bounded and their pointers go backwards only, records are counted (attack 68).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest message that is read: what TCP can carry.
pub const MAX_DNS_MESSAGE: usize = 65_535;

/// Records that are read of one answer.
pub const MAX_RECORDS: usize = 256;

/// Longest name (RFC 1035).
const MAX_NAME: usize = 255;

/// Longest label (RFC 1035).
const MAX_LABEL: usize = 63;

const HEADER: usize = 12;
const TO_THE_QUESTION: [u8; 2] = [0xc0, 12];
const CLASS_IN: u16 = 1;
const RESPONSE: u16 = 1 << 15;
const AUTHORITATIVE: u16 = 1 << 10;
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Names and ports.
    Srv,
}

impl Kind {
    const fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
            Kind::Srv => 33,
        }
    }

    fn of(number: u16) -> Option<Self> {
        [Kind::A, Kind::Aaaa, Kind::Srv].into_iter().find(|kind| kind.number() == number)
    }
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub name: String,
    /// For how long it may be believed, in seconds.
    pub ttl: u32,
    /// What.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name and a port. Priority and weight are not looked at: a seed's nodes are all alike.
    Srv {
        /// The port.
        port: u16,
        /// The name.
        target: String,
    },
}

impl Data {
    const fn kind(&self) -> Kind {
        match self {
            Data::A(_) => Kind::A,
            Data::Aaaa(_) => Kind::Aaaa,
            Data::Srv { .. } => Kind::Srv,
        }
    }
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsFault {
    /// They end too early.
    #[error("the answer is cut")]
    Cut,
    /// A name that cannot be.
    #[error("a name in the answer is malformed")]
    Name,
    /// Of another question, or no answer at all.
    #[error("it is no answer to the question")]
    OtherQuestion,
    /// The server says that something is wrong.
    #[error("the server refuses: code {0}")]
    Refused(u8),
    /// The answer did not fit: ask again over TCP.
    #[error("the answer did not fit")]
    Truncated,
    /// More records than are ever needed.
    #[error("more than {MAX_RECORDS} records")]
    TooMany,
}

/// A question. `None` when the name cannot be asked for.
#[must_use]
pub fn query(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    header(&mut out, id, RECURSION_DESIRED, [1, 0, 0, 0]);
    write_name(&mut out, name)?;
    out.extend(kind.number().to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    Some(out)
}

fn header(out: &mut Vec<u8>, id: u16, flags: u16, counts: [u16; 4]) {
    [id, flags].into_iter().chain(counts).for_each(|word| out.extend(word.to_be_bytes()));
}

fn write_name(out: &mut Vec<u8>, name: &str) -> Option<()> {
    let before = out.len();
    for label in name.trim_end_matches('.').split('.').filter(|_| !name.is_empty()) {
        let len =
            u8::try_from(label.len()).ok().filter(|len| (1..=MAX_LABEL).contains(&usize::from(*len)))?;
        out.push(len);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    (out.len() - before <= MAX_NAME).then_some(())
}

/// What answers a question: records of all sections, in their order; records of other types are left out.
///
/// # Errors
/// When the bytes are no answer to this very question, or not whole.
pub fn answer(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Result<Vec<Record>, DnsFault> {
    let mut reader = Reader { bytes, at: 0 };
    let [got_id, flags, questions, answers, authorities, additional] = reader.words()?;
    if got_id != id || flags & RESPONSE == 0 || questions != 1 {
        return Err(DnsFault::OtherQuestion);
    }
    if flags & TRUNCATED != 0 {
        return Err(DnsFault::Truncated);
    }
    let code = flags.to_be_bytes()[1] & 0x0f;
    if code != 0 {
        return Err(DnsFault::Refused(code));
    }
    let asked = reader.name()?;
    let [asked_kind, class] = reader.words()?;
    let same_name = asked.eq_ignore_ascii_case(name.trim_end_matches('.'));
    if !same_name || asked_kind != kind.number() || class != CLASS_IN {
        return Err(DnsFault::OtherQuestion);
    }
    let count = usize::from(answers) + usize::from(authorities) + usize::from(additional);
    if count > MAX_RECORDS {
        return Err(DnsFault::TooMany);
    }
    let mut records = Vec::new();
    for _ in 0..count {
        records.extend(reader.record()?);
    }
    Ok(records)
}

/// A question as a server reads it: its id, the name, the kind; none for what is no question that it answers.
#[must_use]
pub fn read_query(bytes: &[u8]) -> Option<(u16, String, Kind)> {
    let mut reader = Reader { bytes, at: 0 };
    let [id, flags, questions, _, _, _] = reader.words().ok()?;
    if flags & RESPONSE != 0 || questions != 1 {
        return None;
    }
    let name = reader.name().ok()?;
    let [kind, class] = reader.words().ok()?;
    (class == CLASS_IN).then_some((id, name, Kind::of(kind)?))
}

/// An answer as a server gives it: all of `records` whose kind is asked for answer, the others are added. It is never
/// longer than `most` bytes: what does not fit is left out.
#[must_use]
pub fn reply(id: u16, name: &str, kind: Kind, records: &[Record], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    header(&mut out, id, RESPONSE | AUTHORITATIVE, [1, 0, 0, 0]);
    write_name(&mut out, name)?;
    out.extend(kind.number().to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    let (answers, additional): (Vec<&Record>, Vec<&Record>) =
        records.iter().partition(|record| record.data.kind() == kind);
    let answered = write_records(&mut out, name, &answers, most);
    let added = write_records(&mut out, name, &additional, most);
    out[6..8].copy_from_slice(&answered.to_be_bytes());
    out[10..12].copy_from_slice(&added.to_be_bytes());
    Some(out)
}

fn write_records(out: &mut Vec<u8>, asked: &str, records: &[&Record], most: usize) -> u16 {
    let mut count = 0;
    for record in records {
        let before = out.len();
        if write_record(out, asked, record).is_none() || out.len() > most {
            out.truncate(before);
            break;
        }
        count += 1;
    }
    count
}

fn write_record(out: &mut Vec<u8>, asked: &str, record: &Record) -> Option<()> {
    if record.name == asked {
        // The question stands right after the header.
        out.extend(TO_THE_QUESTION);
    } else {
        write_name(out, &record.name)?;
    }
    out.extend(record.data.kind().number().to_be_bytes());
    out.extend(CLASS_IN.to_be_bytes());
    out.extend(record.ttl.to_be_bytes());
    let mut data = Vec::new();
    match &record.data {
        Data::A(ip) => data.extend(ip.octets()),
        Data::Aaaa(ip) => data.extend(ip.octets()),
        Data::Srv { port, target } => {
            data.extend([0, 10, 0, 10]);
            data.extend(port.to_be_bytes());
            write_name(&mut data, target)?;
        }
    }
    out.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    out.extend(data);
    Some(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Result<&[u8], DnsFault> {
        let end = self.at.checked_add(len).ok_or(DnsFault::Cut)?;
        let taken = self.bytes.get(self.at..end).ok_or(DnsFault::Cut)?;
        self.at = end;
        Ok(taken)
    }

    fn words<const N: usize>(&mut self) -> Result<[u16; N], DnsFault> {
        let mut words = [0; N];
        for word in &mut words {
            let bytes = self.take(2)?;
            *word = u16::from_be_bytes([bytes[0], bytes[1]]);
        }
        Ok(words)
    }

    fn name(&mut self) -> Result<String, DnsFault> {
        let (name, after) = name_at(self.bytes, self.at)?;
        self.at = after;
        Ok(name)
    }

    fn record(&mut self) -> Result<Option<Record>, DnsFault> {
        let name = self.name()?;
        let [kind, class, ttl_high, ttl_low, len] = self.words()?;
        let begin = self.at;
        let data = self.take(usize::from(len))?.to_vec();
        let ttl = u32::from(ttl_high) << 16 | u32::from(ttl_low);
        if class != CLASS_IN {
            return Ok(None);
        }
        let data = match Kind::of(kind) {
            None => return Ok(None),
            Some(Kind::A) => Data::A(Ipv4Addr::from(<[u8; 4]>::try_from(data).map_err(|_| DnsFault::Cut)?)),
            Some(Kind::Aaaa) => {
                Data::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(data).map_err(|_| DnsFault::Cut)?))
            }
            Some(Kind::Srv) => {
                let [_, _, _, _, high, low] = *data.first_chunk::<6>().ok_or(DnsFault::Cut)?;
                // A target may point into the message before it, and must end within its record.
                let (target, after) = name_at(self.bytes, begin + 6)?;
                if after != self.at {
                    return Err(DnsFault::Name);
                }
                Data::Srv { port: u16::from_be_bytes([high, low]), target }
            }
        };
        Ok(Some(Record { name, ttl, data }))
    }
}

/// The name at a place, and where what follows begins. Pointers go backwards only, so that there are no circles.
fn name_at(bytes: &[u8], begin: usize) -> Result<(String, usize), DnsFault> {
    let mut name = String::new();
    let (mut at, mut lowest) = (begin, begin);
    let mut after = None;
    loop {
        let len = usize::from(*bytes.get(at).ok_or(DnsFault::Cut)?);
        match len {
            0 => return Ok((name, after.unwrap_or(at + 1))),
            1..=MAX_LABEL => {
                let label = bytes.get(at + 1..at + 1 + len).ok_or(DnsFault::Cut)?;
                let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if !label.iter().all(is_plain) || name.len() + len + 2 > MAX_NAME {
                    return Err(DnsFault::Name);
                }
                if !name.is_empty() {
                    name.push('.');
                }
                name.extend(label.iter().map(|byte| char::from(*byte)));
                at += 1 + len;
            }
            0xc0.. => {
                let low = usize::from(*bytes.get(at + 1).ok_or(DnsFault::Cut)?);
                let to = (len & 0x3f) << 8 | low;
                if to < HEADER || to >= lowest {
                    return Err(DnsFault::Name);
                }
                after = after.or(Some(at + 2));
                (at, lowest) = (to, to);
            }
            _ => return Err(DnsFault::Name),
        }
    }
}
