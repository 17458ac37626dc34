//! What a board asks for before it changes something.

use std::fmt;
use std::io::Read;

/// A board's token: visible ASCII characters, without spaces. It is for no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Bytes that are read of a file with a token in its first line.
const FILE_MAX: u64 = 4096;

impl Token {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A token, or with `@` before it the file that it is the first line of, where other users do not see it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (line, whose) = match text.strip_prefix('@') {
            Some(path) => {
                let mut text = String::new();
                std::fs::File::open(path)
                    .and_then(|file| file.take(FILE_MAX).read_to_string(&mut text))
                    .map_err(|error| format!("cannot read the token from {path}: {error}"))?;
                let line = text.lines().next().unwrap_or_default().to_owned();
                (line, format!("the first line of {path}"))
            }
            None => (text.to_owned(), "it".to_owned()),
        };
        if line.is_empty() || !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{whose} is no token: visible ASCII characters, without spaces"));
        }
        Ok(Self(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_or_in_a_file() {
        assert_eq!(Token::parse("open-sesame").map(|token| token.0), Ok("open-sesame".to_owned()));
        for bad in ["", "two words", "caf\u{e9}", "@/dev/null"] {
            let error = Token::parse(bad).expect_err(bad);
            assert!(error.contains("is no token: visible ASCII"), "{error}");
        }
        let error = Token::parse("@/nowhere/at/all").expect_err("no such file");
        assert!(error.starts_with("cannot read the token from /nowhere/at/all: "), "{error}");
        assert_eq!(format!("{:?}", Token::parse("secret")), "Ok(Token)");
    }
}
