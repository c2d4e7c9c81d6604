//! Grams: the pieces of one to three characters of names and keys, as numbers; and the sets of devices that have one.

use std::collections::BTreeSet;

/// Ids of one chunk: a row of the index is about so many.
pub(super) const CHUNK: i64 = 4096;
/// Bytes of a set as a bitmap.
const BITMAP: usize = (CHUNK / 8) as usize;
/// Before the first character of a key, so that its beginning can be looked for. No key has it.
const START: char = '\u{1}';
/// Bits of a character.
const CHAR: u32 = 21;

/// Three characters at most as a number above zero; shorter pieces are never equal to longer ones.
fn gram(characters: &[char]) -> i64 {
    characters.iter().fold(0, |number, c| (number << CHAR) | i64::from(u32::from(*c)))
}

fn pieces(characters: &[char], length: usize) -> impl Iterator<Item = i64> {
    characters.windows(length).map(gram)
}

/// The grams of a lower-cased name (above zero) and a lower-cased key (below zero).
pub(super) fn of_device(name: &str, key: &str) -> BTreeSet<i64> {
    let name: Vec<char> = name.chars().collect();
    let key: Vec<char> = std::iter::once(START).chain(key.chars()).collect();
    let names = (1..=3).flat_map(|length| pieces(&name, length));
    // Keys are looked for from their beginning only.
    let keys = pieces(&key[..key.len().min(2)], 2).chain(pieces(&key, 3)).map(|g| -g);
    names.chain(keys).collect()
}

/// The grams that every name with this lower-cased text in it has.
pub(super) fn in_name(text: &str) -> Vec<i64> {
    let text: Vec<char> = text.chars().collect();
    distinct(pieces(&text, text.len().clamp(1, 3)))
}

/// The grams that every key has which begins with this lower-cased text.
pub(super) fn of_prefix(text: &str) -> Vec<i64> {
    let text: Vec<char> = std::iter::once(START).chain(text.chars()).collect();
    distinct(pieces(&text, text.len().clamp(1, 3)).map(|g| -g))
}

fn distinct(grams: impl Iterator<Item = i64>) -> Vec<i64> {
    grams.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Which chunk an id is in, and its place there.
pub(super) const fn place(id: i64) -> (i64, u16) {
    #[expect(clippy::cast_possible_truncation, reason = "it is below CHUNK")]
    let place = id.rem_euclid(CHUNK) as u16;
    (id.div_euclid(CHUNK), place)
}

/// Devices of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Members([u64; BITMAP / 8]);

impl Members {
    pub(super) const NONE: Self = Self([0; BITMAP / 8]);
    pub(super) const ALL: Self = Self([u64::MAX; BITMAP / 8]);

    pub(super) fn add(&mut self, place: u16) {
        self.0[usize::from(place) / 64 % (BITMAP / 8)] |= 1 << (place % 64);
    }

    pub(super) fn has(&self, place: u16) -> bool {
        self.0[usize::from(place) / 64 % (BITMAP / 8)] & (1 << (place % 64)) != 0
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = i64> {
        (0_i64..).zip(&self.0).flat_map(|(i, word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| i * 64 + bit)
        })
    }

    /// As stored, in hexadecimal: places of two bytes while they are shorter than the bitmap.
    pub(super) fn encode(&self) -> String {
        let few = self.len() * 2 < BITMAP;
        let mut hex = String::with_capacity(BITMAP);
        let mut byte = |b: u8| {
            hex.push(char::from(b"0123456789abcdef"[usize::from(b >> 4)]));
            hex.push(char::from(b"0123456789abcdef"[usize::from(b & 15)]));
        };
        if few {
            for place in self.places() {
                u16::try_from(place).unwrap_or_default().to_le_bytes().into_iter().for_each(&mut byte);
            }
        } else {
            self.0.iter().flat_map(|word| word.to_le_bytes()).for_each(&mut byte);
        }
        hex
    }

    pub(super) fn decode(stored: &[u8]) -> Self {
        let mut members = Self::NONE;
        if stored.len() == BITMAP {
            for (word, bytes) in members.0.iter_mut().zip(stored.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        } else {
            stored.as_chunks().0.iter().for_each(|place| members.add(u16::from_le_bytes(*place)));
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unhex(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn a_set_comes_back_as_it_was(places in proptest::collection::btree_set(0..4096_u16, 0..1200)) {
            let mut members = Members::NONE;
            places.iter().for_each(|p| members.add(*p));
            let stored = unhex(&members.encode());
            prop_assert!(stored.len() <= BITMAP);
            prop_assert_eq!(&Members::decode(&stored), &members);
            let read: Vec<i64> = members.places().collect();
            prop_assert_eq!(read, places.into_iter().map(i64::from).collect::<Vec<_>>());
        }

        #[test]
        fn what_a_name_contains_it_has_the_grams_of(name in "\\PC{1,20}", from in 0..20_usize, length in 1..20_usize) {
            let all = of_device(&name, "k");
            let part: String = name.chars().skip(from).take(length).collect();
            if !part.is_empty() {
                prop_assert!(in_name(&part).iter().all(|g| all.contains(g)), "{part:?} of {name:?}");
            }
        }

        #[test]
        fn what_a_key_begins_with_it_has_the_grams_of(key in "[a-z0-9][a-z0-9_.-]{0,20}", length in 1..20_usize) {
            let all = of_device("", &key);
            let prefix: String = key.chars().take(length).collect();
            prop_assert!(of_prefix(&prefix).iter().all(|g| all.contains(g)), "{prefix:?} of {key:?}");
            prop_assert!(!of_prefix("!").iter().all(|g| all.contains(g)));
        }
    }

    #[test]
    fn pieces_of_different_length_differ() {
        let characters = ['\u{1}', 'a', '\u{10FFFF}', '가'];
        let mut seen = BTreeSet::new();
        for a in characters {
            assert!(seen.insert(gram(&[a])));
            for b in characters {
                assert!(seen.insert(gram(&[a, b])));
                for c in characters {
                    assert!(seen.insert(gram(&[a, b, c])));
                }
            }
        }
        assert!(seen.iter().all(|g| *g > 0));
        assert_eq!((place(4095), place(4096)), ((0, 4095), (1, 0)));
    }
}
