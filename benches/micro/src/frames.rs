//! BOLT 8: a message of 430 bytes encrypted by one end and decrypted by the other. LDK keeps its own to itself outside of
//! fuzzing, so there is only the bare AEAD to compare with.

use crate::clock::{Row, Table, work};
use anyhow::{Result, anyhow, bail};
use astrape_primitives::{NodeId, Timestamp};
use astrape_transport::{Handshake, Progress, Secured};
use bitcoin::secp256k1::{Secp256k1, SecretKey, ecdh::SharedSecret};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

const MESSAGE: [u8; 430] = [0x33; 430];
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let (mut here, mut there) = connected()?;
    let mut out = Vec::new();
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[5; 32]).map_err(|_| anyhow!("no key"))?;
    let key = LessSafeKey::new(key);
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let (mut length, mut text) = (vec![0; 2], MESSAGE.to_vec());
    table.row(Row {
        name: "frame of 430 bytes both ways".into(),
        bare: Some(work(move || {
            for part in [&mut length, &mut text] {
                key.seal_in_place_append_tag(nonce(), Aad::empty(), part).ok();
                let plain = key.open_in_place(nonce(), Aad::empty(), part).map(|plain| plain.len());
                part.truncate(plain.unwrap_or_default());
            }
        })),
        astrape: work(|| {
            out.clear();
            here.encryptor.seal(&MESSAGE, &mut out).ok();
            there.decryptor.push(&out);
            there.decryptor.next_message().map(|message| message.map(<[u8]>::len))
        }),
        ldk: None,
    });
    Ok(())
}

/// Both ends after their handshake.
fn connected() -> Result<(Secured, Secured)> {
    let secp = Secp256k1::new();
    let (i, r) = (SecretKey::from_slice(&[0x11; 32])?, SecretKey::from_slice(&[0x21; 32])?);
    let [i_id, r_id] = [i, r].map(|key| NodeId::from_key(&key.public_key(&secp)));
    let (mut dialling, act_one) = Handshake::initiate(i_id, r_id, [0x12; 32], NOW)?;
    let mut listening = Handshake::respond(r_id, [0x22; 32], NOW);
    let ecdh = |key| move |point: &_| SharedSecret::new(point, key).secret_bytes();
    let (_, Progress::Reply(act_two)) = listening.receive(&act_one, NOW, &ecdh(&r))? else {
        bail!("no act two")
    };
    let (_, Progress::Initiated(act_three, ours)) = dialling.receive(&act_two, NOW, &ecdh(&i))? else {
        bail!("no act three")
    };
    let (_, Progress::Responded(theirs)) = listening.receive(&act_three, NOW, &ecdh(&r))? else {
        bail!("no end")
    };
    Ok((ours, theirs))
}
