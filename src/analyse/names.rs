//! Which type or object is meant by what somebody has typed, and what they may have meant where there is none.

use crate::notice::Notice;
use crate::units::printable;

/// How alike two names are, from 0 to 1, for one to be proposed for the other.
const ALIKE: f64 = 0.8;
/// Longest list of names in a notice, and the longest of these.
const MAX_NAMES: usize = 5;
const MAX_NAME: usize = 120;

/// Which of the types was named: by its whole name or, where that is unique, by the end of it (`Entry` for `app.Entry`); else
/// why none.
pub(super) fn find(types: &[&str], name: &str) -> Result<usize, Notice> {
    if let Some(index) = types.iter().position(|kind| *kind == name) {
        return Ok(index);
    }
    let ends_so = |index: &usize| types[*index].strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let matching: Vec<usize> = (0..types.len()).filter(ends_so).collect();
    let shown = printable(name, MAX_NAME);
    match &matching[..] {
        [index] if !name.is_empty() => Ok(*index),
        [] | [_] => {
            let notice = Notice::new("no-such-type", format!("the heap has no object of type `{shown}`"));
            let near = near(types, name);
            Err(match near.is_empty() {
                true => notice,
                false => notice.hint(format!("there is {}", listed(&near))),
            })
        }
        several => {
            let notice = Notice::new("ambiguous-type", format!("`{shown}` names {} types", several.len()));
            Err(notice.hint(format!(
                "give the whole name: {}",
                listed(&several.iter().map(|index| types[*index]).collect::<Vec<_>>())
            )))
        }
    }
}

/// The types whose names, whole or without their module, are most like `name`; the most alike first.
fn near<'a>(types: &[&'a str], name: &str) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let alike = |kind: &str| {
        let kind = kind.to_lowercase();
        let last = kind.rsplit('.').next().unwrap_or(&kind);
        strsim::jaro_winkler(&kind, &wanted).max(strsim::jaro_winkler(last, &wanted))
    };
    let mut scored: Vec<(f64, &str)> = types.iter().map(|kind| (alike(kind), *kind)).collect();
    scored.retain(|(score, _)| *score >= ALIKE);
    scored.sort_by(|(a, kind), (b, other)| b.total_cmp(a).then_with(|| kind.cmp(other)));
    scored.into_iter().map(|(_, kind)| kind).collect()
}

fn listed(types: &[&str]) -> String {
    let names: Vec<_> = types.iter().take(MAX_NAMES).map(|kind| format!("`{}`", printable(kind, MAX_NAME))).collect();
    let more = if types.len() > MAX_NAMES { ", …" } else { "" };
    names.join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_the_end_of_its_name_or_proposed() {
        let check = |name: &str, expected: Result<&str, (&str, Option<&str>)>| {
            let types = ["app.Entry", "app.cache.Item", "other.Item", "zoo.LongName", "builtins.dict"];
            let found = find(&types, name);
            match (&found, expected) {
                (Ok(index), Ok(kind)) => assert_eq!(types[*index], kind),
                (Err(notice), Err((text, hint))) => {
                    assert_eq!((&*notice.text, notice.hint.as_deref()), (text, hint));
                    let ambiguous = text.contains("names 2 types");
                    assert_eq!(notice.code, if ambiguous { "ambiguous-type" } else { "no-such-type" });
                }
                _ => panic!("{name}: {found:?}"),
            }
        };
        check("app.Entry", Ok("app.Entry"));
        check("Entry", Ok("app.Entry"));
        check("cache.Item", Ok("app.cache.Item"));
        check("Item", Err(("`Item` names 2 types", Some("give the whole name: `app.cache.Item`, `other.Item`"))));
        check("try", Err(("the heap has no object of type `try`", None)));
        check("", Err(("the heap has no object of type ``", None)));
        check("longnam", Err(("the heap has no object of type `longnam`", Some("there is `zoo.LongName`"))));
        check("a\u{1b}", Err(("the heap has no object of type `a\\u{1b}`", None)));
    }
}
