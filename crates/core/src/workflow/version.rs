//! Versions as an engine knows them, <https://semver.org>: to refuse what none can have.

/// Whether this is a version: `1.2.0`, `1.2.0-rc.1+build.7`.
pub(super) fn is_version(text: &str) -> bool {
    let (text, build) = cut(text, '+');
    let (core, pre) = cut(text, '-');
    let numbers: Vec<&str> = core.split('.').collect();
    let is_pre = |part: &str| is_word(part) && (is_number(part) || !is_digits(part));
    numbers.len() == 3
        && numbers.iter().all(|number| is_number(number))
        && numbers.iter().all(|number| number.parse::<u64>().is_ok())
        && pre.is_none_or(|pre| pre.split('.').all(is_pre))
        && build.is_none_or(|build| build.split('.').all(is_word))
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

fn is_word(text: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_of_word)
}

#[cfg(test)]
mod tests {
    use super::is_version;

    #[test]
    fn what_is_a_semantic_version_and_what_is_not() {
        for text in "1.2.0 0.0.0 1.0.0-rc.1 1.0.0-0a.x-y+01.b 1.0.0+7-8 1.0.0--".split(' ') {
            assert!(is_version(text), "{text}");
        }
        let not = " 2 1.2 v1.2.0 1.2.0.0 01.2.0 1.2.x 1.2. +1.2.0 1.+2.0 1.2.0- 1.2.0-01 1.2.0-a..b \
                   1.2.0+ 1.2.0+a+b 1.2.0-ä 1.2.99999999999999999999";
        for text in not.split(' ').chain([" 1.2.0"]) {
            assert!(!is_version(text), "{text}");
        }
    }
}
