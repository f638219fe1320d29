//! Counters of several services → those of the server, in Prometheus' text format.

use std::fmt::Write;

/// One metric: what is said about it, and its samples in their order.
#[derive(Default)]
struct Family<'a> {
    about: Vec<&'a str>,
    samples: Vec<(&'a str, f64)>,
}

/// The sum of all counters; of what is no counter, the largest value.
pub fn sum(texts: &[String]) -> String {
    let mut families: Vec<(&str, Family<'_>)> = Vec::new();
    for text in texts {
        let mut at = None;
        for line in text.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let name = about.split(' ').nth(1).unwrap_or_default();
                let known = families.iter().position(|(known, _)| *known == name);
                let index = known.unwrap_or_else(|| {
                    families.push((name, Family::default()));
                    families.len() - 1
                });
                let lines = &mut families[index].1.about;
                if !lines.contains(&line) {
                    lines.push(line);
                }
                at = Some(index);
            } else if let (Some(index), Some((sample, value))) = (at, line.rsplit_once(' ')) {
                let family = &mut families[index].1;
                let value = value.parse().unwrap_or(0.0);
                let is_gauge = family.about.iter().any(|about| about.ends_with(" gauge"));
                let mut samples = family.samples.iter_mut();
                match samples.find(|(known, _)| *known == sample) {
                    Some((_, sum)) if is_gauge => *sum = sum.max(value),
                    Some((_, sum)) => *sum += value,
                    None => family.samples.push((sample, value)),
                }
            }
        }
    }
    let mut out = String::new();
    for (_, Family { about, samples }) in families {
        // Writing to a string cannot fail.
        for line in about {
            let _ = writeln!(out, "{line}");
        }
        for (sample, value) in samples {
            let _ = writeln!(out, "{sample} {value}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn counters_are_added_and_gauges_are_not() {
        let one = "# HELP a Of a.\n# TYPE a counter\na{x=\"1 2\"} 3\na{x=\"2\"} 0.5\n\
                   # HELP b Of b.\n# TYPE b gauge\nb 1\n";
        let other = "# HELP a Of a.\n# TYPE a counter\na{x=\"1 2\"} 4\na{x=\"3\"} 1\n\
                     # HELP b Of b.\n# TYPE b gauge\nb 1\n";
        let all = "# HELP a Of a.\n# TYPE a counter\na{x=\"1 2\"} 7\na{x=\"2\"} 0.5\na{x=\"3\"} 1\n\
                   # HELP b Of b.\n# TYPE b gauge\nb 1\n";
        assert_eq!(sum(&[one.into(), other.into()]), all);
        assert_eq!(sum(&[one.into()]), one);
        assert_eq!(sum(&[]), "");
    }
}
