//! A collection of the node whose changes in a step are known: what the step touched, and nothing else, is looked at when
//! the writes are derived. Until the step is installed, the old values stay: a panic leaves nothing half done.

use astrape_primitives::SharedMap;
use std::collections::BTreeMap;

/// Values by key, with the changes of the present step beside them. Clones share what is settled.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    settled: SharedMap<K, V>,
    changed: BTreeMap<K, Option<V>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { settled: SharedMap::new(), changed: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.settled == other.settled && self.changed == other.changed
    }
}

/// What a step did to one value.
#[derive(Debug)]
pub(crate) struct Change<K, V> {
    /// Whose.
    pub(crate) key: K,
    /// Before the step.
    pub(crate) old: Option<V>,
    /// After it.
    pub(crate) new: Option<V>,
}

impl<K: Ord + Clone, V: Clone + PartialEq> Table<K, V> {
    /// A table of what was restored.
    #[must_use]
    pub(crate) fn restored(values: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { settled: values.into_iter().collect(), changed: BTreeMap::new() }
    }

    /// The present value.
    #[must_use]
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self.changed.get(key) {
            Some(value) => value.as_ref(),
            None => self.settled.get(key),
        }
    }

    /// Whether there is a value.
    #[must_use]
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Sets a value.
    pub(crate) fn set(&mut self, key: K, value: V) {
        self.changed.insert(key, Some(value));
    }

    /// Takes a value away.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.get(key).cloned();
        if old.is_some() {
            self.changed.insert(key.clone(), None);
        }
        old
    }

    /// All present values by key. Cheap when the step has changed little.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let settled = self.settled.iter().filter(|(k, _)| !self.changed.contains_key(*k));
        settled.chain(self.changed.iter().filter_map(|(k, v)| v.as_ref().map(|v| (k, v))))
    }

    /// The keys of all present values, in order, as a list that outlives changes.
    #[must_use]
    pub(crate) fn keys(&self) -> Vec<K> {
        let mut keys: Vec<K> = self.iter().map(|(k, _)| k.clone()).collect();
        keys.sort();
        keys
    }

    /// How many values there are. Counts the changes of the step only.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        let (mut more, mut fewer) = (0, 0);
        for (key, value) in &self.changed {
            match (self.settled.contains_key(key), value.is_some()) {
                (false, true) => more += 1,
                (true, false) => fewer += 1,
                _ => {}
            }
        }
        self.settled.len() + more - fewer
    }

    /// The keys that this step touched.
    pub(crate) fn touched(&self) -> impl Iterator<Item = &K> {
        self.changed.keys()
    }

    /// The value before the step.
    #[must_use]
    pub(crate) fn before(&self, key: &K) -> Option<&V> {
        self.settled.get(key)
    }

    /// Makes the step's changes the present, and gives them.
    pub(crate) fn install(&mut self) -> Vec<Change<K, V>> {
        let mut changes = Vec::with_capacity(self.changed.len());
        for (key, new) in std::mem::take(&mut self.changed) {
            let old = match &new {
                Some(value) => self.settled.insert(key.clone(), value.clone()),
                None => self.settled.remove(&key),
            };
            if old != new {
                changes.push(Change { key, old, new });
            }
        }
        changes
    }

    /// Forgets the step's changes.
    pub(crate) fn discard(&mut self) {
        self.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discarded_step_leaves_nothing() {
        let mut table = Table::restored(BTreeMap::from([(1, "one"), (2, "two")]));
        table.set(1, "eins");
        table.remove(&2);
        table.set(3, "three");
        assert_eq!((table.get(&1), table.get(&2), table.get(&3)), (Some(&"eins"), None, Some(&"three")));
        assert_eq!((table.len(), table.keys()), (2, vec![1, 3]));
        table.discard();
        assert_eq!((table.get(&1), table.get(&2), table.get(&3)), (Some(&"one"), Some(&"two"), None));
    }

    #[test]
    fn an_installed_step_names_what_changed_and_nothing_else() {
        let mut table = Table::restored(BTreeMap::from([(1, "one"), (2, "two")]));
        table.set(1, "one");
        table.set(2, "zwei");
        let changes = table.install();
        assert_eq!(changes.len(), 1, "a value that is as before is no change");
        assert_eq!((changes[0].key, changes[0].old, changes[0].new), (2, Some("two"), Some("zwei")));
        assert_eq!(table.get(&2), Some(&"zwei"));
    }
}
