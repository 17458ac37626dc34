//! Texts of a capture, as they can be shown.

/// A text of which each character is [`printable`].
pub(super) fn safe(text: String) -> String {
    let ordinary = |byte: u8| matches!(byte, b' '..=b'~');
    if text.bytes().all(ordinary) { text } else { text.chars().map(printable).collect() }
}

/// What a terminal or an XML document can show: comments are the file's, not ours. Characters that nobody sees, or
/// that turn the order of others round, are shown as what they are: strange ones.
pub(super) fn printable(character: char) -> char {
    let unseen = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e0000}'..='\u{e0fff}');
    match character {
        '\n' | '\t' => ' ',
        _ if unseen || character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}
