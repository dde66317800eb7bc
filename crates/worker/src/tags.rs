//! Which tags a worker takes tasks of.

use headwater_wire::{
    limits::TAGS_MAX,
    topic::{check_tag, tagged},
};

/// Which tasks of its topics a worker takes. A task whose tag no worker takes waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TagFilter {
    /// Those without a tag.
    #[default]
    Default,
    /// Those with one of these tags.
    Only(Vec<String>),
    /// Those without a tag, and those with one of these.
    DefaultAnd(Vec<String>),
    /// All, whatever their tag.
    Any,
    /// None at all.
    None,
}

/// Tags that cannot be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TagError {
    /// One of them.
    #[error(transparent)]
    Name(#[from] headwater_wire::names::NameError),
    /// How many there are.
    #[error("a worker has {0} tags, {TAGS_MAX} is the limit; `any` takes all")]
    TooMany(usize),
    /// Words that exclude others.
    #[error("{0:?} stands alone")]
    Alone(String),
}

impl TagFilter {
    /// From words, as configuration has them: tags, and `default` for tasks without one; or alone
    /// `any` or `none`. No word: `default`.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TagError> {
        let words: Vec<&str> = words.into_iter().collect();
        let alone = |word: &&&str| matches!(**word, "any" | "none");
        match &words[..] {
            [] | ["default"] => return Ok(Self::Default),
            ["any"] => return Ok(Self::Any),
            ["none"] => return Ok(Self::None),
            words => {
                if let Some(word) = words.iter().find(alone) {
                    return Err(TagError::Alone((*word).to_owned()));
                }
            }
        }
        let is_tag = |word: &&&str| **word != "default";
        let tags: Vec<String> = words
            .iter()
            .filter(is_tag)
            .map(|t| (*t).to_owned())
            .collect();
        let filter = match tags.len() == words.len() {
            true => Self::Only(tags),
            false => Self::DefaultAnd(tags),
        };
        filter.check()?;
        Ok(filter)
    }

    /// Whether its tags can be tags.
    pub fn check(&self) -> Result<(), TagError> {
        let tags = self.tags();
        if tags.len() > TAGS_MAX {
            return Err(TagError::TooMany(tags.len()));
        }
        tags.iter().try_for_each(|tag| check_tag(tag))?;
        Ok(())
    }

    fn tags(&self) -> &[String] {
        match self {
            Self::Only(tags) | Self::DefaultAnd(tags) => tags,
            Self::Default | Self::Any | Self::None => &[],
        }
    }

    /// What a worker of this topic takes from, as far as it is known beforehand.
    pub(crate) fn topics(&self, topic: &str) -> Vec<String> {
        let plain = matches!(self, Self::Default | Self::DefaultAnd(_) | Self::Any);
        let plain = plain.then(|| topic.to_owned());
        let tagged = self.tags().iter().map(|tag| tagged(topic, tag));
        plain.into_iter().chain(tagged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Result<TagFilter, TagError> {
        TagFilter::of_words(words.split_whitespace())
    }

    #[test]
    fn words_are_a_filter() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        for (words, filter, topics) in [
            ("", TagFilter::Default, &["t"][..]),
            ("default", TagFilter::Default, &["t"]),
            ("gpu", TagFilter::Only(tags(&["gpu"])), &["t#gpu"]),
            (
                "gpu default eu",
                TagFilter::DefaultAnd(tags(&["gpu", "eu"])),
                &["t", "t#gpu", "t#eu"],
            ),
            ("any", TagFilter::Any, &["t"]),
            ("none", TagFilter::None, &[]),
        ] {
            assert_eq!(of(words).unwrap(), filter);
            assert_eq!(filter.topics("t"), topics);
        }
    }

    #[test]
    fn words_that_are_no_filter_say_why() {
        assert_eq!(of("a b c d e f"), Err(TagError::TooMany(6)));
        assert_eq!(of("gpu any"), Err(TagError::Alone("any".to_owned())));
        assert!(matches!(of("a#b"), Err(TagError::Name(_))));
    }
}
