//! What a hop says that it asks is paid, once for each payment, and within what the payment may cost.

use crate::retries::{Paying, is_failure, offers};
use crate::support::{NOW, SECP, channel_update, hop, key, keys, node, own, sat, wrapped};
use astrape_channel::Resolution;
use astrape_onion::{Failure, HoldTime, create_failure_with};
use astrape_payment::{PayOutput, PaymentPart};
use astrape_primitives::{CltvDelta, CltvExpiry, Msat, ShortChannelId};
use astrape_routing::Direction;
use astrape_wire::ChannelUpdate;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Message;

const AMOUNT: Msat = Msat(4_000_000);
const TOO_LITTLE: Failure = Failure::FeeInsufficient { htlc_msat: AMOUNT };

/// What node 3 asks for the channel 33 to the payee.
fn update(base: u32, delta: u16) -> ChannelUpdate {
    let direction = if node(3) < node(9) { Direction::FromNode1 } else { Direction::FromNode2 };
    let mut update = ChannelUpdate {
        short_channel_id: ShortChannelId(33),
        channel_flags: u8::from(direction == Direction::FromNode2),
        fee_base_msat: base,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(delta),
        htlc_maximum_msat: sat(1_000_000),
        ..channel_update()
    };
    sign(&mut update, 3);
    update
}

fn sign(update: &mut ChannelUpdate, by: u8) {
    let digest = Message::from_digest(update.signed_hash().to_byte_array());
    update.signature = SECP.sign_ecdsa(&digest, &key(by));
}

/// Node 3 fails a part, and says what it asks.
fn told(part: &PaymentPart, failure: &Failure, update: &ChannelUpdate) -> Resolution {
    let secrets = part.recipe.shared_secrets();
    let made = create_failure_with(&secrets[1], failure, Some(update), HoldTime(3));
    Resolution::Failed(wrapped(&secrets[..1], made))
}

/// Over nodes 2 and 3, each of which asks for a satoshi and a hundred millionths.
fn paying() -> Paying {
    Paying::new(AMOUNT, vec![vec![hop(2, 22), hop(3, 33)]], &[own(1, 2, sat(5_000))])
}

impl Paying {
    fn fail_telling(&mut self, part: u64, failure: &Failure, update: &ChannelUpdate) -> Vec<PayOutput> {
        let how = told(&self.payment.parts[&part], failure, update);
        self.fail_with(part, &how)
    }
}

// BOLT 4.receiving-failure-codes.9
#[test]
fn what_a_hop_asks_in_truth_is_paid_at_the_next_attempt() {
    let mut paying = paying();
    let before = paying.payment.parts[&0].fee;
    let outputs = paying.fail_telling(0, &TOO_LITTLE, &update(2_500, 80));
    let [(channel, new)] = offers(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(channel, keys(1));
    let fee = paying.payment.parts[&1].fee;
    assert_eq!(new.amount, Msat(AMOUNT.0 + fee.0));
    // The hop before takes its share of what it passes on.
    assert_eq!(fee.0 - before.0, 2_500 - 1_400);
    assert!(paying.payment.lessons.channels.is_empty(), "nothing is avoided");
}

#[test]
fn more_time_is_given_where_that_is_what_was_missing() {
    let mut paying = paying();
    let failure = Failure::IncorrectCltvExpiry { cltv_expiry: CltvExpiry(5) };
    let outputs = paying.fail_telling(0, &failure, &update(1_000, 180));
    let [(_, new)] = offers(&outputs)[..] else { panic!("{outputs:?}") };
    let again = paying.fail_telling(1, &failure, &update(1_000, 180));
    assert!(is_failure(&again), "it got what it asked for");
    let mut plain = self::paying();
    let outputs = plain.fail_telling(0, &failure, &update(1_000, 80));
    let [(_, short)] = offers(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(new.cltv_expiry.0 - short.cltv_expiry.0, 100);
}

#[test]
fn a_hop_that_raises_again_or_asks_for_too_much_is_avoided() {
    let mut paying = paying();
    assert_eq!(offers(&paying.fail_telling(0, &TOO_LITTLE, &update(2_500, 80))).len(), 1);
    assert!(is_failure(&paying.fail_telling(1, &TOO_LITTLE, &update(2_600, 80))));
    // Half a percent is the most that this payment may cost, or five satoshi; two weeks the most that it may take.
    for (base, delta) in [(30_000, 80), (1_000, 2_016)] {
        let mut paying = self::paying();
        assert!(is_failure(&paying.fail_telling(0, &TOO_LITTLE, &update(base, delta))), "{base} {delta}");
    }
}

#[test]
fn what_others_say_or_of_other_channels_or_the_other_way_is_not_believed() {
    let right = update(2_500, 80);
    let changed = |change: fn(&mut ChannelUpdate), by: u8| {
        let mut update = right.clone();
        change(&mut update);
        sign(&mut update, by);
        update
    };
    let unsigned = ChannelUpdate { fee_base_msat: 2_000, ..right.clone() };
    for wrong in [
        unsigned,
        changed(|_| {}, 2),
        changed(|update| update.short_channel_id = ShortChannelId(22), 3),
        changed(|update| update.channel_flags ^= ChannelUpdate::DIRECTION, 3),
        changed(|update| update.channel_flags |= ChannelUpdate::DISABLE, 3),
    ] {
        let mut paying = paying();
        assert!(is_failure(&paying.fail_telling(0, &TOO_LITTLE, &wrong)), "{wrong:?}");
        assert!(paying.payment.lessons.asked.is_empty());
    }
    let mut paying = paying();
    assert!(is_failure(&paying.fail_telling(0, &Failure::UnknownNextPeer, &right)), "that is not why");
    assert_eq!(NOW, paying.now);
}
