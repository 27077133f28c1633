//! Names of options: the nearest one to a misspelt one, and those of files, which have snake_case.

use crate::Error;
use crate::pretrained::config::snake_case;

/// The name that was probably meant: the same but for capitals, or with at most a third of its letters wrong.
pub fn nearest<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    // Much longer than any name: nothing is near it, and comparing would take its length squared.
    if wrong.len() > 64 {
        return None;
    }
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let distances = names.iter().map(|name| (edits(&plain(wrong), &plain(name)), *name));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| 3 * distance <= name.len())
        .map(|(_, name)| name)
}

/// How many letters must be changed, added or taken away (Levenshtein 1966).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (above, other) in row.iter_mut().skip(1).zip(&to) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *above;
            left = changed.min(*above + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// An error about options that were read from a file: says which, and names them as the file does.
pub fn in_file(file: &str, error: Error) -> Error {
    let named = |text: &str| format!("{file}: {}", snake_case_words(text));
    match error {
        Error::InvalidConfig(text) => Error::InvalidConfig(named(&text)),
        Error::Unsupported(text) => Error::Unsupported(named(&text)),
        Error::InvalidArgument { argument, expected, got } => {
            Error::InvalidArgument { argument: named(&argument), expected: snake_case_words(&expected), got }
        }
        other => other,
    }
}

/// The text with its camelCase words, which are names of options, in snake_case; what is quoted stays.
fn snake_case_words(text: &str) -> String {
    let quoted = text.split('"').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            return part.to_string();
        }
        part.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()).map(in_snake_case).collect()
    });
    quoted.collect::<Vec<_>>().join("\"")
}

/// A word and the character after it.
fn in_snake_case(word: &str) -> String {
    let is_camel = word.starts_with(|letter: char| letter.is_ascii_lowercase());
    let has_capital = word.contains(|letter: char| letter.is_ascii_uppercase());
    if is_camel && has_capital { snake_case(word) } else { word.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["linear", "cosine", "constant_with_warmup", "v_prediction"];
        for (wrong, right) in [
            ("Cosine", Some("cosine")),
            ("linaer", Some("linear")),
            ("ConstantWithWarmup", Some("constant_with_warmup")),
            ("v-prediction", Some("v_prediction")),
            ("quadratic", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, &names), right, "{wrong}");
        }
    }

    #[test]
    fn options_of_files_have_the_names_of_files() {
        let error = Error::InvalidConfig("downBlockTypes: expected \"upBlockTypes\" beside numTrainTimesteps".into());
        assert_eq!(
            in_file("config.json", error).to_string(),
            "[InvalidConfig] config.json: down_block_types: expected \"upBlockTypes\" beside num_train_timesteps"
        );
        let other = Error::Internal("aB".into());
        assert_eq!(in_file("config.json", other.clone()), other);
    }
}
