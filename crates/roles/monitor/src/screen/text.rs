//! Words and numbers as the screen has them: in columns of a given width.

use std::time::Duration;

use ratatui::text::Span;

/// A text in exactly `width` columns: filled up by spaces, or cut, which a `~` tells.
pub(super) fn fit(text: &str, width: usize) -> String {
    let columns = |text: &str| Span::raw(text).width();
    let n_columns = columns(text);
    if n_columns <= width {
        return format!("{text}{}", " ".repeat(width - n_columns));
    }
    let mut cut = String::new();
    let mut used = 0;
    let mut buffer = [0; 4];
    for letter in text.chars() {
        let n_more = columns(letter.encode_utf8(&mut buffer));
        if used + n_more + 1 > width {
            break;
        }
        used += n_more;
        cut.push(letter);
    }
    if width > 0 {
        cut.push('~');
        used += 1;
    }
    cut + &" ".repeat(width - used)
}

/// A time as a lane has it, in seven columns at most.
pub(super) fn age(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 100..6000 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A number of bytes.
pub(super) fn size(n_bytes: f64) -> String {
    match n_bytes {
        n if n < 1e3 => format!("{n:.0} B"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A number of things.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_columns_it_is_given() {
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("abcde", 4), "abc~");
        assert_eq!(fit("abc", 0), "");
        // Letters of two columns.
        assert_eq!(fit("日本語", 4), "日~ ");
        assert_eq!(fit("日本語", 6), "日本語");
    }

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(age(Duration::from_millis(2340)), "2.3 s");
        assert_eq!(age(Duration::from_secs(125)), "2m 05s");
        assert_eq!(age(Duration::from_secs(7260)), "2h 01m");
        assert_eq!(size(999.0), "999 B");
        assert_eq!(size(2_540_000.0), "2.5 MB");
    }
}
