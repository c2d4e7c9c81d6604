//! The known word nearest to a misspelt one.

/// The candidate with the fewest edits (insert, delete, replace, swap of neighbours) to `word`, if it is near enough to be
/// meant. Of two equally near ones the first.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 5);
    let scored = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    scored
        .filter(|(score, _)| *score <= limit)
        .min_by_key(|(score, _)| *score)
        .map(|(_, candidate)| candidate)
}

/// The key nearest to an unknown one: by its whole path, or the same last part in another section.
pub(crate) fn nearest_key<'a>(path: &str, known: &[&'a str]) -> Option<&'a str> {
    let last = |path: &str| path.rsplit('.').next().map(str::to_owned).unwrap_or_default();
    let name = last(path);
    nearest(path, known.iter().copied())
        .or_else(|| known.iter().copied().find(|candidate| last(candidate) == name))
        .or_else(|| {
            let names: Vec<String> = known.iter().map(|candidate| last(candidate)).collect();
            let found = nearest(&name, names.iter().map(String::as_str))?;
            let at = names.iter().position(|candidate| candidate == found)?;
            known.get(at).copied()
        })
}

/// Edits between two texts (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("listen", "listen", 0),
            ("lisetn", "listen", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn the_key_that_was_meant() {
        let known = ["data_dir", "http.listen", "mqtt.listen", "mqtt.limits.payload", "download.cache_bytes"];
        for (wrong, meant) in [
            ("http.lisen", Some("http.listen")),
            ("mqtt.payload", Some("mqtt.limits.payload")),
            ("http.cache_byte", Some("download.cache_bytes")),
            ("datadir", Some("data_dir")),
            ("completely.different", None),
        ] {
            assert_eq!(nearest_key(wrong, &known), meant, "{wrong}");
        }
    }
}
