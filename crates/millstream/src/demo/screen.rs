//! A block of lines at the foot of the terminal, drawn in place; log lines go above it.

use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tracing_subscriber::fmt::MakeWriter;

/// Shared by the view, which draws the block, and the log, which writes above it.
#[derive(Clone)]
pub(crate) struct Screen(Arc<Mutex<Block>>);

/// The lines that stand on the terminal.
#[derive(Default)]
struct Block(Vec<String>);

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Size {
    /// Of the terminal on standard output, if that is one and says so.
    fn of_terminal() -> Option<Size> {
        let size = tcgetwinsize(io::stdout()).ok()?;
        let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
        (columns > 0 && rows > 0).then_some(Size { columns, rows })
    }
}

impl Screen {
    /// A screen, where both standard output and the log go to a terminal.
    pub(crate) fn of_terminal() -> Option<Screen> {
        let is_shown = io::stdout().is_terminal() && io::stderr().is_terminal();
        Size::of_terminal().filter(|_| is_shown)?;
        Some(Screen(Arc::default()))
    }

    /// Draws a block in place of the one before.
    pub(crate) fn draw(&self, lines: impl FnOnce(Size) -> Vec<String>) -> io::Result<()> {
        let Some(size) = Size::of_terminal() else {
            return Ok(());
        };
        let mut block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        out.write_all(block.erasure(size).as_bytes())?;
        block.0 = lines(size)
            .iter()
            .map(|line| cut(line, size.columns))
            .collect();
        out.write_all(block.text().as_bytes())?;
        out.flush()
    }

    /// Writes above the block.
    fn write_above(&self, text: &[u8]) -> io::Result<()> {
        let block = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stdout().lock();
        let size = Size::of_terminal().filter(|_| !block.0.is_empty());
        if let Some(size) = size {
            out.write_all(block.erasure(size).as_bytes())?;
            out.flush()?;
        }
        io::stderr().write_all(text)?;
        if size.is_some() {
            out.write_all(block.text().as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

impl Block {
    /// What takes the block away, with the cursor below it. A terminal that has become narrower since shows a line as
    /// several.
    fn erasure(&self, size: Size) -> String {
        let rows: usize = self
            .0
            .iter()
            .map(|line| line.chars().count().max(1).div_ceil(size.columns))
            .sum();
        match rows {
            0 => String::new(),
            rows => format!("\r\x1b[{rows}A\x1b[J"),
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The line as far as it fits, so that it never takes two rows.
fn cut(line: &str, columns: usize) -> String {
    if line.chars().count() < columns {
        return line.to_owned();
    }
    let kept = line.chars().take(columns.saturating_sub(2));
    kept.chain(['…']).collect()
}

/// The log's way to the terminal: a line at a time.
impl<'a> MakeWriter<'a> for Screen {
    type Writer = Above<'a>;

    fn make_writer(&'a self) -> Above<'a> {
        Above(self)
    }
}

pub(crate) struct Above<'a>(&'a Screen);

impl Write for Above<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_above(text)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c19_a_line_never_takes_two_rows() {
        assert_eq!(cut("abc", 4), "abc");
        assert_eq!(cut("abcd", 4), "ab…");
        assert_eq!(cut("äöüß", 4), "äö…");
        assert_eq!(cut("abc", 1), "…");
    }

    #[test]
    fn report_c19_what_was_drawn_is_erased_whatever_the_width_is_now() {
        let block = Block(vec!["12345678".to_owned(), String::new()]);
        let of = |columns| block.erasure(Size { columns, rows: 9 });
        assert_eq!(of(9), "\r\x1b[2A\x1b[J");
        assert_eq!(of(4), "\r\x1b[3A\x1b[J");
        assert_eq!(
            Block::default().erasure(Size {
                columns: 9,
                rows: 9
            }),
            ""
        );
    }
}
