//! Tables as Java's tools print them: columns of a least width, blanks behind, one blank between.

/// A row's cells behind each other; the last column has no width.
pub fn line(widths: &[usize], cells: &[&str]) -> String {
    let mut text = String::new();
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        text.push_str(cell);
        let width = widths.get(i).copied().unwrap_or(0);
        let length = cell.chars().count();
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(length)));
    }
    text
}

/// A heading and rows below it, with an empty line before.
pub fn table(
    widths: &[usize],
    heading: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> String {
    let mut text = format!("\n{}\n", line(widths, heading));
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        text.push_str(&line(widths, &cells));
        text.push('\n');
    }
    text
}

/// The width that the longest of these asks for, and this at least.
pub fn width<'a>(least: usize, cells: impl Iterator<Item = &'a str>) -> usize {
    cells
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(0)
        .max(least)
}

/// Numbers with commas between.
pub fn list(numbers: &[i32]) -> String {
    let texts: Vec<String> = numbers.iter().map(i32::to_string).collect();
    texts.join(",")
}
