//! How far a mistake is from what may have been meant.

/// Fewest letters inserted, removed or replaced to make one text the other.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = line + 1;
        next.push(left);
        let above = row.iter().zip(row.iter().skip(1));
        for ((diagonal, up), other) in above.zip(&to) {
            let replaced = diagonal + usize::from(letter != *other);
            left = replaced.min(up + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (from, to, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("force", "force", 0),
            ("frce", "force", 1),
            ("kitten", "sitting", 3),
            ("grün", "grau", 2),
        ] {
            assert_eq!(distance(from, to), letters, "{from} {to}");
        }
    }
}
