//! Which of several images is meant.

use crate::error::{Error, Result};
use importd_api::failure::Kind;

/// Most images that a refusal names.
const NAMED_MAX: usize = 20;
/// Longest name that is repeated in messages, in characters.
const SHOWN_MAX: usize = 200;

/// The images that are meant, of those that have these names: those of the name that is asked for, or
/// all. More than one are left only if they go by the same names: then they are of several machines.
///
/// # Errors
/// [`Kind::NotFound`] if there is none; [`Kind::InvalidArgument`] if several are left. Both with the list.
pub(super) fn choose<T>(
    label: &str,
    images: Vec<T>,
    names: impl Fn(&T) -> &[String],
    asked: Option<&str>,
) -> Result<Vec<T>> {
    if images.is_empty() {
        return Err(Error::new(
            Kind::NotFound,
            format!("There is no image in {label}"),
        ));
    }
    let known: Vec<_> = images.iter().flat_map(&names).cloned().collect();
    let Some(asked) = asked else {
        return of_one(label, images, names, &known);
    };
    // What is asked for word by word comes before what ends so.
    let kinds: [fn(&str, &str) -> bool; 2] = [is_same, is_short_for];
    for fits in kinds {
        let fitting = |image: &T| names(image).iter().any(|name| fits(asked, name));
        if images.iter().any(fitting) {
            let chosen = images.into_iter().filter(fitting).collect();
            return of_one(label, chosen, names, &known);
        }
    }
    let text = format!(
        "There is no image '{}' in {label}: {}",
        asked.escape_debug(),
        listed(&known)
    );
    Err(Error::new(Kind::NotFound, text))
}

/// The images, if they go by the same names.
fn of_one<T>(
    label: &str,
    images: Vec<T>,
    names: impl Fn(&T) -> &[String],
    known: &[String],
) -> Result<Vec<T>> {
    let first = images.first().map(|image| names(image).to_vec());
    let mut others = images.iter().map(&names);
    match others.all(|other| Some(other) == first.as_deref()) {
        true => Ok(images),
        false => Err(several(label, known)),
    }
}

fn is_same(asked: &str, name: &str) -> bool {
    asked == name
}

/// Whether it is the end of a name, its tag, or all but the usual tag.
fn is_short_for(asked: &str, name: &str) -> bool {
    let ends = |with: &str| name == with || name.ends_with(&format!("/{with}"));
    let tag = name
        .rsplit('/')
        .next()
        .and_then(|last| last.split_once(':'));
    ends(asked) || ends(&format!("{asked}:latest")) || tag.is_some_and(|(_, tag)| tag == asked)
}

fn several(label: &str, known: &[String]) -> Error {
    let text = format!(
        "There are several images in {label}, --tag= chooses one: {}",
        listed(known)
    );
    Error::new(Kind::InvalidArgument, text)
}

fn listed(known: &[String]) -> String {
    if known.is_empty() {
        return "they have no names".into();
    }
    let shown = |name: &String| -> String {
        let start: String = name.chars().take(SHOWN_MAX).collect();
        format!("'{}'", start.escape_debug())
    };
    let mut list: Vec<_> = known.iter().take(NAMED_MAX).map(shown).collect();
    if known.len() > NAMED_MAX {
        list.push(format!("and {} more", known.len() - NAMED_MAX));
    }
    format!("it has {}", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(images: &[&[&str]], asked: Option<&str>) -> std::result::Result<Vec<usize>, Kind> {
        let images: Vec<(usize, Vec<String>)> = images
            .iter()
            .map(|names| names.iter().map(ToString::to_string).collect())
            .enumerate()
            .collect();
        choose("it", images, |image| &image.1, asked)
            .map(|left| left.iter().map(|image| image.0).collect())
            .map_err(|error| error.kind)
    }

    #[test]
    fn one_image_is_no_question_and_of_several_the_name_tells() {
        let two: [&[&str]; 2] = [&["r.example/a:1"], &["r.example/b:1", "b:latest"]];
        assert_eq!(chosen(&[&[]], None), Ok(vec![0]));
        assert_eq!(chosen(&[], None), Err(Kind::NotFound));
        assert_eq!(chosen(&two, None), Err(Kind::InvalidArgument));
        for (asked, at) in [
            ("r.example/a:1", Ok(vec![0])),
            ("a:1", Ok(vec![0])),
            ("b", Ok(vec![1])),
            ("latest", Ok(vec![1])),
            ("1", Err(Kind::InvalidArgument)),
            ("2", Err(Kind::NotFound)),
            ("example/a:1", Err(Kind::NotFound)),
        ] {
            assert_eq!(chosen(&two, Some(asked)), at, "{asked}");
        }
    }

    #[test]
    fn images_of_the_same_names_are_of_several_machines() {
        assert_eq!(chosen(&[&[], &[]], None), Ok(vec![0, 1]));
        assert_eq!(chosen(&[&["a"], &["a"]], None), Ok(vec![0, 1]));
        let three: [&[&str]; 3] = [&["a"], &["a"], &["b"]];
        assert_eq!(chosen(&three, Some("a")), Ok(vec![0, 1]));
        assert_eq!(chosen(&three, None), Err(Kind::InvalidArgument));
    }
}
