//! The bar: one line of a terminal, drawn again and again.

use crate::standing::Standing;

/// What stands before the cells.
const TITLE: &str = "Total: ";
/// Fewest cells that still look like a bar; with less room it is left out.
const CELLS_MIN: usize = 10;
/// Columns that the percentage takes with the blank before it.
const PERCENT: usize = " 100%".len();

/// How a bar may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// With colours.
    Colored,
    /// Without.
    Plain,
    /// For terminals that can only go back to the start of the line.
    Dumb,
}

/// What draws a bar, the cursor being at the start of the line before and after: it moves on a
/// terminal of that many columns.
pub(crate) fn draw(standing: &Standing, columns: usize, style: Style) -> String {
    let percent = standing.percent.unwrap_or(0).min(100);
    if style == Style::Dumb {
        return format!("\r{TITLE}{percent:>3}%\r");
    }
    let (cells, figures) = fit(standing, columns);
    let filled = cells * usize::from(percent) / 100;
    let full = "━".repeat(filled);
    let empty = "┄".repeat(cells - filled);
    let gap = if cells > 0 { " " } else { "" };
    let bar = match style {
        Style::Colored => {
            format!("\x1b[1;32m{full}\x1b[0;90m{empty}\x1b[0m{gap}\x1b[1m{percent:>3}%\x1b[0m")
        }
        Style::Plain | Style::Dumb => format!("{full}{empty}{gap}{percent:>3}%"),
    };
    // Terminals that know the sequence show the share in their frame or in the list of tasks.
    format!("\x1b]9;4;1;{percent}\x1b\\{TITLE}{bar}{figures}\x1b[K\r")
}

/// What removes a bar.
pub(crate) fn erase(style: Style) -> String {
    match style {
        Style::Dumb => format!("\r{}\r", " ".repeat(TITLE.len() + PERCENT - 1)),
        Style::Colored | Style::Plain => "\r\x1b]9;4;0;\x1b\\\x1b[K".to_owned(),
    }
}

/// How many cells there is room for, and the figures behind them. Of the figures the last go first;
/// at most half of a line is theirs.
fn fit(standing: &Standing, columns: usize) -> (usize, String) {
    // The last column stays free: some terminals go to the next line when it is written.
    let room = columns.saturating_sub(TITLE.len() + PERCENT + 1);
    let mut text = String::new();
    for figure in standing.figures() {
        let length = text.chars().count() + 1 + figure.chars().count();
        if length > room / 2 && room.saturating_sub(length) < 2 * CELLS_MIN {
            break;
        }
        text.push(' ');
        text.push_str(&figure);
    }
    let cells = room - text.chars().count();
    (if cells < CELLS_MIN { 0 } else { cells }, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::News;
    use std::time::Instant;

    fn standing(news: &[News]) -> Standing {
        let mut standing = Standing::default();
        for news in news {
            standing.learn(news.clone(), Instant::now());
        }
        standing
    }

    /// What is left of a line when the sequences are taken out.
    fn visible(line: &str) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some((before, sequence)) = rest.split_once('\x1b') {
            text += before;
            let end = match sequence.strip_prefix(']') {
                Some(_) => sequence.find('\\'),
                None => sequence.find(|c: char| c.is_ascii_alphabetic()),
            };
            rest = &sequence[end.unwrap() + 1..];
        }
        (text + rest).trim_matches('\r').to_owned()
    }

    #[test]
    fn a_bar_fills_the_line_and_never_more() {
        let half = standing(&[
            News::Percent(50),
            News::Bytes(5 << 20),
            News::Total(Some(10 << 20)),
            News::Rate(1 << 20),
            News::TimeLeft(Some(5_000_000)),
        ]);
        for columns in 0..200 {
            let line = visible(&draw(&half, columns, Style::Colored));
            let most = columns.saturating_sub(1).max("Total:  50%".len());
            assert!(line.chars().count() <= most, "{columns}: {line:?}");
            assert!(line.contains(" 50%"), "{columns}: {line:?}");
        }
        let line = visible(&draw(&half, 80, Style::Plain));
        assert_eq!(line.chars().count(), 79);
        assert!(
            line.ends_with("━┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄  50% 5M/10M 1M/s 5s left"),
            "{line}"
        );
        let narrow = visible(&draw(&half, 40, Style::Plain));
        assert!(narrow.ends_with(" 50% 5M/10M 1M/s"), "{narrow}");
        assert_eq!(visible(&draw(&half, 15, Style::Plain)), "Total:  50%");
    }

    #[test]
    fn the_ends_are_empty_and_full() {
        let bar = |percent| draw(&standing(&[News::Percent(percent)]), 30, Style::Plain);
        assert_eq!(visible(&bar(0)), "Total: ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄   0%");
        assert_eq!(visible(&bar(100)), "Total: ━━━━━━━━━━━━━━━━━ 100%");
        assert!(bar(42).starts_with("\x1b]9;4;1;42\x1b\\Total: "));
    }

    #[test]
    fn a_dumb_terminal_gets_the_percentage_and_no_sequences() {
        let seven = standing(&[News::Percent(7), News::Rate(5)]);
        assert_eq!(draw(&seven, 80, Style::Dumb), "\rTotal:   7%\r");
        assert_eq!(erase(Style::Dumb), "\r           \r");
        assert!(!draw(&seven, 80, Style::Plain).contains("\x1b[1"));
    }
}
