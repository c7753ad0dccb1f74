//! A list in columns.

/// Lines with aligned columns, the first of which names them. What stands in the last column is not padded.
pub(crate) fn columns<const N: usize>(names: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([names[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let rows = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    line(names) + &rows.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "longer", ""], ["longest", "b", "c"]].map(|row| row.map(str::to_owned));
        let expected = "ONE      TWO     THREE\na        longer\nlongest  b       c\n";
        assert_eq!(columns(["ONE", "TWO", "THREE"], &rows), expected);
    }
}
