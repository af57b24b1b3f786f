//! A terminal's screen as an SVG picture.

use std::fmt::Write as _;

/// A cell, in tenths of a pixel: all of the picture is in these.
const CELL: (usize, usize) = (84, 190);

/// From a cell's top to the foot of its letters.
const BASE: usize = 140;

/// The rim around the cells.
const RIM: usize = 160;

const GROUND: &str = "#11151c";
const INK: &str = "#d5dae3";

/// The terminal's eight colors.
const COLORS: [&str; 8] =
    ["#3b4252", "#ff7b72", "#6fd08c", "#f0c674", "#7aa7ff", "#cf9bff", "#5fd4d6", "#d5dae3"];

/// How a cell looks.
#[derive(Clone, Copy, Default, PartialEq)]
struct Style {
    color: Option<usize>,
    is_bold: bool,
    is_dim: bool,
    is_reversed: bool,
}

impl Style {
    /// Takes over what an escape sequence `ESC [ ... m` says; a number that is unknown says nothing.
    fn change(&mut self, numbers: &str) {
        let mut numbers = numbers.split(';').map(|number| number.parse::<usize>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Style::default(),
                1 => self.is_bold = true,
                2 => self.is_dim = true,
                7 => self.is_reversed = true,
                22 => (self.is_bold, self.is_dim) = (false, false),
                27 => self.is_reversed = false,
                color @ 30..=37 => self.color = Some(color - 30),
                // One of 256, the first eight of which are these and the next eight bright ones of them.
                38 => {
                    let _is_of_256 = numbers.next();
                    self.color = numbers.next().map(|color| color % COLORS.len());
                }
                39 => self.color = None,
                _ => (),
            }
        }
    }
}

/// Cells of a line that look alike.
struct Run {
    column: usize,
    text: String,
    style: Style,
}

/// The picture of what a terminal of `size` columns and lines shows, with styles as escape sequences.
pub(super) fn picture(shown: &str, size: (usize, usize)) -> String {
    let (width, height) = (size.0 * CELL.0 + 2 * RIM, size.1 * CELL.1 + 2 * RIM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>distccmon in the middle of a build: each host with its slots, and the files in them</title>\n\
         <rect x=\"5\" y=\"5\" width=\"{}\" height=\"{}\" rx=\"100\" fill=\"{GROUND}\" \
         stroke=\"#3b4252\" stroke-width=\"10\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" \
         font-size=\"140\" fill=\"{INK}\">\n",
        width / 10,
        height / 10,
        width - 10,
        height - 10,
    );
    let mut style = Style::default();
    for (number, line) in shown.lines().take(size.1).enumerate() {
        for run in runs(line, &mut style) {
            draw(&mut svg, &run, RIM + number * CELL.1);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// The runs of a line; the style goes on where the line before has left it.
fn runs(line: &str, style: &mut Style) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    let mut rest = line.chars();
    while let Some(letter) = rest.next() {
        if letter == '\x1b' {
            let sequence: String = rest.by_ref().take_while(|c| !c.is_ascii_alphabetic()).collect();
            style.change(sequence.trim_start_matches('['));
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.style == *style => run.text.push(letter),
            _ => runs.push(Run { column, text: letter.into(), style: *style }),
        }
        column += 1;
    }
    runs
}

fn draw(svg: &mut String, run: &Run, top: usize) {
    let style = run.style;
    let left = |column: usize| RIM + column * CELL.0;
    let color = style.color.map_or(INK, |color| COLORS[color]);
    let n_cells = run.text.chars().count();
    let (ink, ground) = if style.is_reversed { (GROUND, color) } else { (color, GROUND) };
    if style.is_reversed {
        let (x, width) = (left(run.column), n_cells * CELL.0);
        let height = CELL.1;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"{ground}\"/>"
        );
    }
    // A bar of slots: fonts leave gaps between such cells, or none, as they like.
    if run.text.chars().all(|letter| matches!(letter, '█' | '░')) {
        for (number, letter) in run.text.chars().enumerate() {
            let (x, y) = (left(run.column + number) + 5, top + 35);
            let fill = if letter == '█' { ink } else { "#3b4252" };
            let _ = writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"74\" height=\"120\" rx=\"12\" fill=\"{fill}\"/>"
            );
        }
        return;
    }
    let mut looks = String::new();
    if ink != INK {
        let _ = write!(looks, " fill=\"{ink}\"");
    }
    if style.is_bold {
        looks.push_str(" font-weight=\"bold\"");
    }
    if style.is_dim {
        looks.push_str(" fill-opacity=\"0.6\"");
    }
    // Words stand where their columns are, whatever the font.
    for (column, words) in phrases(&run.text) {
        let (x, y) = (left(run.column + column), top + BASE);
        let length = words.chars().count() * CELL.0;
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\" \
             lengthAdjust=\"spacingAndGlyphs\"{looks}>{words}</text>"
        );
    }
}

/// The parts of a text that two or more blanks separate, each with its column.
fn phrases(text: &str) -> Vec<(usize, &str)> {
    let mut phrases = Vec::new();
    let mut column = 0;
    for part in text.split("  ") {
        let words = part.trim_start();
        let n_blanks = part.len() - words.len();
        if !words.is_empty() {
            phrases.push((column + n_blanks, words.trim_end()));
        }
        column += part.chars().count() + 2;
    }
    phrases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_in_their_columns() {
        assert_eq!(phrases(" a b   c  "), [(1, "a b"), (7, "c")]);
        assert_eq!(phrases("    "), []);
    }

    #[test]
    fn styles_become_fills_and_nothing_becomes_markup() {
        let svg = picture("\x1b[7m a&b\x1b[0m\n\x1b[1m\x1b[38;5;2m<c>\x1b[39m\x1b[2m d\n", (20, 2));
        assert!(svg.contains("height=\"190\" fill=\"#d5dae3\"/>"), "{svg}");
        assert!(svg.contains(" fill=\"#11151c\">a&amp;b</text>"), "{svg}");
        assert!(svg.contains(" fill=\"#6fd08c\" font-weight=\"bold\">&lt;c></text>"), "{svg}");
        assert!(svg.contains(" font-weight=\"bold\" fill-opacity=\"0.6\">d</text>"), "{svg}");
    }

    #[test]
    fn a_bar_is_of_boxes() {
        let svg = picture("\x1b[32m██\x1b[0m\x1b[2m░\x1b[0m", (20, 1));
        assert_eq!(svg.matches("width=\"74\"").count(), 3, "{svg}");
        assert!(!svg.contains("<text"), "{svg}");
    }
}
