//! The map beside that of the standard library.

use super::node::MAX_WIDTH;
use super::*;
use std::collections::BTreeMap;

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn depth<K, V>(node: &Node<K, V>) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Branch(children) => {
            let depths: Vec<usize> = children.iter().map(|(_, child)| depth(child)).collect();
            assert!(depths.windows(2).all(|pair| pair[0] == pair[1]), "leaves are equally deep");
            assert!((1..=MAX_WIDTH).contains(&children.len()));
            1 + depths[0]
        }
    }
}

fn assert_same(map: &SharedMap<u64, u64>, expected: &BTreeMap<u64, u64>) {
    assert_eq!(map.len(), expected.len());
    assert!(map.iter().eq(expected.iter()));
    depth(&map.root);
}

#[test]
fn it_is_the_map_that_the_standard_library_would_be() {
    let (mut map, mut expected, mut numbers) = (SharedMap::new(), BTreeMap::new(), Numbers(1));
    for round in 0..20_000 {
        let (key, value) = (numbers.below(800), numbers.below(10));
        // It grows for a while, then shrinks.
        if numbers.below(100) < if round % 8_000 < 4_000 { 70 } else { 30 } {
            assert_eq!(map.insert(key, value), expected.insert(key, value));
        } else {
            assert_eq!(map.remove(&key), expected.remove(&key));
        }
        assert_eq!(map.get(&key), expected.get(&key));
        if round % 97 == 0 {
            assert_same(&map, &expected);
            assert!(map.iter_from(&key).eq(expected.range(key..)));
        }
    }
    for key in 0..800 {
        assert_eq!(map.get_mut(&key).map(std::mem::take), expected.get_mut(&key).map(std::mem::take));
        assert_eq!(map.remove(&key), expected.remove(&key));
    }
    assert!(map.is_empty());
}

#[test]
fn a_clone_stays_as_it_was() {
    let mut map: SharedMap<u64, u64> = (0..1_000).map(|n| (n * 3, n)).collect();
    let before: BTreeMap<u64, u64> = map.iter().map(|(k, v)| (*k, *v)).collect();
    let snapshot = map.clone();
    let mut numbers = Numbers(2);
    for _ in 0..2_000 {
        map.insert(numbers.below(3_000), 7);
        map.remove(&numbers.below(3_000));
    }
    assert_same(&snapshot, &before);
    assert_ne!(map, snapshot);
}

#[test]
fn differences_are_all_that_differs_and_nothing_else() {
    let mut numbers = Numbers(3);
    for changes in [0, 1, 5, 50, 500] {
        let old: SharedMap<u64, u64> = (0..900).map(|n| (n * 2, n)).collect();
        let mut new = old.clone();
        for _ in 0..changes {
            let key = numbers.below(1_900);
            if numbers.below(2) == 0 {
                new.insert(key, numbers.below(900));
            } else {
                new.remove(&key);
            }
        }
        let found: Vec<(u64, Option<u64>, Option<u64>)> =
            old.differences(&new).map(|(k, o, n)| (*k, o.copied(), n.copied())).collect();
        let expected: Vec<_> = (0..1_900)
            .map(|key| (key, old.get(&key).copied(), new.get(&key).copied()))
            .filter(|(_, o, n)| o != n)
            .collect();
        assert_eq!(found, expected);
        assert_eq!(old == new, expected.is_empty());
    }
}

#[test]
fn what_is_shared_is_not_compared() {
    /// A value that must not be looked at.
    #[derive(Clone)]
    struct Untouchable;
    impl PartialEq for Untouchable {
        fn eq(&self, _: &Self) -> bool {
            panic!("it is shared")
        }
    }
    let map: SharedMap<u64, Untouchable> = (0..1_000).map(|n| (n, Untouchable)).collect();
    assert!(map == map.clone());
    let mut changed = map.clone();
    changed.remove(&1_500);
    assert!(changed == map);
}
