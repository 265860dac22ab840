//! Tables on standard output.

use comfy_table::{CellAlignment, ContentArrangement, Row, Table, presets};

/// A column: its title, and whether its cells stand at the right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The title.
    pub(crate) title: &'static str,
    /// Numbers stand at the right.
    pub(crate) right: bool,
}

impl Column {
    /// A column of texts.
    pub(crate) const fn text(title: &'static str) -> Self {
        Self {
            title,
            right: false,
        }
    }

    /// A column of numbers.
    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, right: true }
    }
}

/// Lays out rows, columns one blank apart; the first line holds the titles if `legend` is set.
/// With a width, cells are shortened with `…` until each row fits into one line. Only the last
/// column is not padded.
pub(crate) fn lay_out(
    columns: &[Column],
    rows: Vec<Vec<String>>,
    legend: bool,
    width: Option<u16>,
) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_truncation_indicator("…");
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if legend {
        let mut header = Row::from(columns.iter().map(|column| column.title));
        header.max_height(1);
        table.set_header(header);
    }
    for cells in rows {
        // A cell with a line break would become two lines.
        let cells = cells.iter().map(|cell| crate::screen::printable(cell));
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
    }
    let last = columns.len().saturating_sub(1);
    for (index, column) in columns.iter().enumerate() {
        if let Some(target) = table.column_mut(index) {
            target.set_padding((0, u16::from(index < last)));
            if column.right {
                target.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let padding = table.column_max_content_widths();
    let padding = usize::from(padding.last().copied().unwrap_or_default());
    let cut = |line: String| {
        let trimmed = line.trim_end();
        // An empty last cell leaves the padding of those before it.
        let rest = line.len().saturating_sub(padding).max(trimmed.len());
        match width {
            Some(_) => trimmed.to_owned(),
            None => line.get(..rest).unwrap_or(trimmed).to_owned(),
        }
    };
    table.lines().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::number("ID"),
        Column::text("NAME"),
        Column::text("REMOTE"),
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = |id: &str, name: &str, remote: &str| vec![id.into(), name.into(), remote.into()];
        vec![row("1", "", "http://server/k.tar"), row("12", "größe", "")]
    }

    #[test]
    fn columns_are_one_blank_apart_and_numbers_stand_right() {
        assert_eq!(
            lay_out(&COLUMNS, rows(), true, None),
            [
                "ID NAME  REMOTE",
                " 1       http://server/k.tar",
                "12 größe "
            ]
        );
        assert_eq!(lay_out(&COLUMNS, rows(), false, None).len(), 2);
    }

    #[test]
    fn a_narrow_terminal_shortens_cells_and_never_wraps() {
        let lines = lay_out(&COLUMNS, rows(), true, Some(20));
        assert_eq!(lines.len(), 3);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 20),
            "{lines:?}"
        );
        assert!(lines[1].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn a_line_break_in_a_cell_stays_in_its_line() {
        let lines = lay_out(
            &COLUMNS,
            vec![vec!["1".into(), "a\nb".into(), "c".into()]],
            false,
            None,
        );
        assert_eq!(lines, ["1 a\\nb c"]);
    }
}
