//! Lists as people and programs want them: `-o table|wide|json|yaml`.

use anstyle::{AnsiColor, Style};
use replication::plain;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::{Error, Screen};

mod document;

/// The option `-o`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Form of the output
    #[arg(short = 'o', long = "output", value_name = "FORM", value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// The form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns
    Table,
    /// All columns, with ARNs where `table` has names
    Wide,
    /// JSON, with the field names of the HTTP API
    Json,
    /// The same as YAML
    Yaml,
}

/// A column of a list of `R`.
pub(crate) struct Column<R> {
    /// What it is headed by.
    pub(crate) name: &'static str,
    /// Whether only `wide` has it.
    pub(crate) only_wide: bool,
    /// What stands in it.
    pub(crate) cell: fn(&R) -> Cell,
}

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// This text, with nothing in it that a terminal would obey.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { text: plain(text.as_ref()).into_owned(), style: Style::new() }
    }

    /// As it should be.
    pub(crate) fn good(text: impl AsRef<str>) -> Self {
        Self { style: GOOD, ..Self::new(text) }
    }

    /// On its way.
    pub(crate) fn passing(text: impl AsRef<str>) -> Self {
        Self { style: PASSING, ..Self::new(text) }
    }

    /// Not as it should be.
    pub(crate) fn bad(text: impl AsRef<str>) -> Self {
        Self { style: BAD, ..Self::new(text) }
    }
}

/// As it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// On its way.
pub(crate) const PASSING: Style = AnsiColor::Yellow.on_default();
/// Not as it should be.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

impl Output {
    /// Columns, for a command that has no other form.
    pub(crate) const TABLE: Self = Self { format: Format::Table };

    /// Whether everything is to be seen, as it is.
    pub(crate) fn is_wide(self) -> bool {
        self.format == Format::Wide
    }

    /// Whether programs read it, which want nothing but the document.
    pub(crate) fn is_document(self) -> bool {
        matches!(self.format, Format::Json | Format::Yaml)
    }

    /// Prints rows in columns, or the document that stands for them.
    pub(crate) fn list<R>(
        self,
        screen: &mut Screen<'_>,
        columns: &[Column<R>],
        rows: &[R],
        document: impl FnOnce() -> serde_json::Value,
    ) -> Result<(), Error> {
        if self.is_document() {
            return self.document(screen, &document());
        }
        let wide = self.format == Format::Wide;
        let columns: Vec<_> = columns.iter().filter(|column| wide || !column.only_wide).collect();
        let cells: Vec<Vec<Cell>> =
            rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect()).collect();
        let names: Vec<Cell> = columns.iter().map(|column| Cell::new(column.name)).collect();
        let widths: Vec<usize> = (0..columns.len())
            .map(|i| cells.iter().chain([&names]).map(|row| row[i].text.width()).max().unwrap_or(0))
            .collect();
        for row in [&names].into_iter().chain(&cells) {
            let line = line(screen, row, &widths);
            screen.line(line)?;
        }
        Ok(())
    }

    /// Prints a document.
    pub(crate) fn document(self, screen: &mut Screen<'_>, document: &impl Serialize) -> Result<(), Error> {
        let text = match self.format {
            Format::Yaml => document::yaml(document)?,
            _ => document::json(document)?,
        };
        screen.line(text.trim_end())?;
        Ok(())
    }
}

/// A row, in which all cells but the last are as wide as their columns.
fn line(screen: &Screen<'_>, row: &[Cell], widths: &[usize]) -> String {
    let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
    let mut line = String::new();
    for (i, (cell, width)) in row.iter().zip(widths).enumerate().take(last + 1) {
        line += &screen.painted(cell.style, &cell.text);
        if i < last {
            line += &" ".repeat(width - cell.text.width() + 2);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Terminal;

    const COLUMNS: [Column<(&str, &str)>; 3] = [
        Column { name: "ONE", only_wide: false, cell: |row| Cell::new(row.0) },
        Column { name: "TWO", only_wide: true, cell: |_| Cell::new("x") },
        Column { name: "THREE", only_wide: false, cell: |row| Cell::bad(row.1) },
    ];

    fn printed(format: Format, colours: bool) -> String {
        let (mut output, mut input) = (Vec::new(), &b""[..]);
        let terminal = Terminal { colours, ..Terminal::default() };
        let mut screen = Screen { output: &mut output, input: &mut input, terminal };
        let rows = [("a", "b"), ("ライブ", "")];
        let document = || serde_json::json!({ "rows": ["a"] });
        Output { format }.list(&mut screen, &COLUMNS, &rows, document).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        assert_eq!(printed(Format::Table, false), "ONE     THREE\na       b\nライブ\n");
        assert_eq!(printed(Format::Wide, false), "ONE     TWO  THREE\na       x    b\nライブ  x\n");
    }

    #[test]
    fn colours_change_no_width() {
        let red = format!("{BAD}b{BAD:#}");
        assert_eq!(printed(Format::Table, true), format!("ONE     THREE\na       {red}\nライブ\n"));
    }

    #[test]
    fn programs_get_the_document() {
        assert_eq!(printed(Format::Json, true), "{\n  \"rows\": [\n    \"a\"\n  ]\n}\n");
        assert_eq!(printed(Format::Yaml, true), "rows:\n- a\n");
    }

    #[test]
    fn a_cell_holds_nothing_that_a_terminal_obeys() {
        assert_eq!(Cell::new("a\u{1b}[2J").text, "a\\u{1b}[2J");
    }
}
