//! The lowest and highest estimates of a day, and what is asked of an opener by them.

use super::net::Net;
use super::{NOW, config, node_with, step};
use crate::config::default_features;
use crate::input::{ChainInput, Input};
use crate::state::Prices;
use astrape_primitives::{Feature, Features, FeeratePerKw, Msat};

fn told(estimate: u32) -> Input {
    Input::Chain(ChainInput::Feerate(FeeratePerKw(estimate)))
}

fn tell(net: &mut Net, estimate: u32) {
    (0..net.members.len()).for_each(|who| net.input(who, told(estimate)));
}

fn lowest(net: &Net, who: usize) -> Option<FeeratePerKw> {
    net.members[who].node.chain().prices.lowest()
}

/// Of a node that knows `static_remotekey` only.
fn without_anchors() -> Features {
    let of_anchors = |bit: &usize| bit / 2 == Feature::Anchors.required_bit() / 2;
    let others = default_features();
    others.iter_bits().filter(|bit| !of_anchors(bit)).fold(Features::empty(), Features::with_bit)
}

/// The second dies in between, or not; prices rise at once, or within a day of blocks.
fn repeats_its_update_fee(restarts: bool, blocks: u32) {
    let mut net = Net::new(2);
    net.is_checked = true;
    net.cut(0, 1);
    net.connect_with(0, 1, &without_anchors());
    tell(&mut net, 4_000);
    let channel = net.open(0, 1);
    let newest = |net: &Net, who: usize| {
        let (_, channel) = net.members[who].node.channels().next().expect("one");
        channel.open().expect("open").fees.newest()
    };
    tell(&mut net, 891);
    let both = [newest(&net, 0), newest(&net, 1)];
    assert_eq!(both, [FeeratePerKw(891), FeeratePerKw(4_000)], "it is signed, and on its way");
    assert_eq!(net.times_said(0, "update_fee"), 1);
    net.cut(0, 1);
    if restarts {
        net.restart(1);
    }
    tell(&mut net, 4_000);
    (0..blocks).for_each(|_| net.mine(Vec::new()));
    net.connect_with(0, 1, &without_anchors());
    net.run();
    assert_eq!(net.times_said(0, "update_fee"), 3, "again, and then what is right now");
    assert_eq!([newest(&net, 0), newest(&net, 1)], [FeeratePerKw(4_000); 2]);
    assert_eq!(net.times_said(1, "warning"), 0);
    assert!(net.members[0].node.channel(&channel).is_some_and(astrape_channel::Channel::is_usable));
    let invoice = net.invoice(1, Msat(5_000_000));
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    assert_eq!(net.times_said(1, "update_fulfill_htlc"), 1, "the channel goes on");
}

#[test]
fn an_opener_repeats_its_update_fee_after_a_cut_and_a_rise_of_prices_and_the_channel_goes_on() {
    for (restarts, blocks) in [(false, 0), (true, 0), (false, Prices::WINDOW), (true, Prices::WINDOW)] {
        repeats_its_update_fee(restarts, blocks);
    }
}

#[test]
fn the_lowest_estimate_of_a_day_outlives_a_restart_and_is_forgotten_when_the_day_is_over() {
    let mut net = Net::new(2);
    net.is_checked = true;
    assert_eq!(lowest(&net, 1), None, "what stands in for an estimate is none");
    for (estimate, expected) in [(4_000, 4_000), (600, 600), (u32::MAX, 600), (5_000, 600)] {
        net.input(1, told(estimate));
        assert_eq!(lowest(&net, 1), Some(FeeratePerKw(expected)), "{estimate}");
    }
    net.restart(1);
    assert_eq!(lowest(&net, 1), Some(FeeratePerKw(600)));
    (0..2 * Prices::WINDOW).for_each(|_| net.mine(Vec::new()));
    assert_eq!(lowest(&net, 1), Some(FeeratePerKw(600)), "a night forgets nothing");
    // Nobody tells what has not changed.
    net.input(1, told(5_000));
    (0..Prices::WINDOW).for_each(|_| net.mine(Vec::new()));
    assert_eq!(lowest(&net, 1), Some(FeeratePerKw(5_000)));
    net.input(1, told(0));
    assert_eq!(lowest(&net, 1), Some(FeeratePerKw::FLOOR), "nothing relays below");
    let highest = |net: &Net| net.members[1].node.chain().prices.highest();
    assert_eq!(highest(&net), Some(FeeratePerKw(5_000)), "the day of the estimate without bound is over");
    net.input(1, told(9_000));
    net.input(1, told(700));
    net.restart(1);
    assert_eq!(highest(&net), Some(FeeratePerKw(9_000)));
}

#[test]
fn an_estimate_between_others_of_these_blocks_writes_nothing() {
    let mut node = node_with(config(), Vec::new());
    let rows = |node: &mut crate::Node, estimate| step(node, NOW, told(estimate)).0.records().count();
    let written = [900, 900, 4_000, 901, 899, 899, 5_000].map(|estimate| rows(&mut node, estimate));
    assert_eq!(written, [1, 0, 1, 0, 1, 0, 1]);
}

#[test]
fn a_feerate_that_is_fixed_is_asked_for_whatever_the_estimates_were() {
    let mut net = Net::new(2);
    net.input(1, told(600));
    let disk = &net.members[1].disk;
    let fixed = crate::Config { fixed_feerate: Some(FeeratePerKw(4_000)), ..config() };
    let (mut node, _) = crate::Node::restore(fixed, disk).expect("whole");
    step(&mut node, NOW, told(500));
    assert_eq!(node.chain().prices.lowest(), Some(FeeratePerKw(600)), "it is no estimate");
    let turn = crate::turn::Turn::new(&mut node, NOW, astrape_primitives::Entropy::new([0; 32]));
    assert_eq!(turn.feerates_of_the_day(), [FeeratePerKw(4_000); 2]);
}
