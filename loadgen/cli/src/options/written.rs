//! Values as they are written on the command line: `uniform:100-1KiB`, `burst:50`, `auto`.
//!
//! What a scenario file says in TOML tables has a short form here; each mistake is answered with the forms that there are.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use load_model::scenario::{Arrivals, Client, Settle, Size, WarmUp, Weighted};
use load_model::units::{Bytes, Rate};

const SIZES: &str = "write 1KiB, uniform:100-1KiB, lognormal:200,4KiB,64KiB (median, p99, most) or mix:100x9,1KiBx1";
const ARRIVALS: &str = "write constant, poisson, burst:50, ramp:1k or closed";

/// Octets of a body, or how they are distributed.
pub fn size(text: &str) -> Result<Size, String> {
    let bytes = |text: &str| text.parse::<Bytes>().map_err(|error| error.to_string());
    let Some((kind, rest)) = text.split_once(':') else { return bytes(text).map(Size::Fixed) };
    match kind {
        "uniform" => {
            let (min, max) = rest.split_once('-').ok_or(SIZES)?;
            Ok(Size::Uniform { min: bytes(min)?, max: bytes(max)? })
        }
        "lognormal" => {
            let parts = rest.split(',').map(bytes).collect::<Result<Vec<_>, _>>()?;
            let &[median, p99, max] = parts.as_slice() else { return Err(SIZES.to_owned()) };
            Ok(Size::LogNormal { median, p99, max })
        }
        "mix" => rest.split(',').map(weighted).collect::<Result<_, _>>().map(Size::Mix),
        _ => Err(SIZES.to_owned()),
    }
}

/// One of a mix: `1KiBx3`.
fn weighted(text: &str) -> Result<Weighted, String> {
    let (size, weight) = text.rsplit_once('x').ok_or(SIZES)?;
    let size = size.parse().map_err(|error: load_model::units::UnitError| error.to_string())?;
    let weight = weight.parse().map_err(|_| format!("{weight:?} is no weight: {SIZES}"))?;
    Ok(Weighted { size, weight })
}

/// When messages are due.
pub fn arrivals(text: &str) -> Result<Arrivals, String> {
    match text.split_once(':') {
        None if text == "constant" => Ok(Arrivals::Constant),
        None if text == "poisson" => Ok(Arrivals::Poisson),
        None if text == "closed" => Ok(Arrivals::Closed),
        Some(("burst", messages)) => match messages.parse() {
            Ok(messages) => Ok(Arrivals::Burst { messages }),
            Err(_) => Err(format!("{messages:?} is no number of messages: {ARRIVALS}")),
        },
        Some(("ramp", from)) => {
            let from: Rate = from.parse().map_err(|error: load_model::units::UnitError| error.to_string())?;
            Ok(Arrivals::Ramp { from })
        }
        _ => Err(ARRIVALS.to_owned()),
    }
}

/// What is not counted at the beginning.
pub fn warm_up(text: &str) -> Result<WarmUp, String> {
    if text == "auto" {
        return Ok(WarmUp::Auto);
    }
    text.parse().map(WarmUp::Fixed).map_err(|error| format!("{error}, or auto"))
}

/// How deliveries are settled.
pub fn settle() -> impl TypedValueParser<Value = Settle> {
    PossibleValuesParser::new(["presettled", "unsettled", "second"]).map(|text| match text.as_str() {
        "presettled" => Settle::Presettled,
        "second" => Settle::Second,
        _ => Settle::Unsettled,
    })
}

/// Which client does it.
pub fn client() -> impl TypedValueParser<Value = Client> {
    PossibleValuesParser::new(["heddle", "fe2o3"]).map(|text| match text.as_str() {
        "fe2o3" => Client::Fe2o3,
        _ => Client::Heddle,
    })
}

#[cfg(test)]
mod tests {
    use load_model::units::Span;

    use super::*;

    #[test]
    fn short_forms_mean_what_files_say_in_tables() {
        assert_eq!(size("1KiB"), Ok(Size::Fixed(Bytes(1024))));
        assert_eq!(size("uniform:100-1KiB"), Ok(Size::Uniform { min: Bytes(100), max: Bytes(1024) }));
        let log_normal = Size::LogNormal { median: Bytes(200), p99: Bytes(4096), max: Bytes(65536) };
        assert_eq!(size("lognormal:200,4KiB,64KiB"), Ok(log_normal));
        let mix = [(100, 9.0), (1024, 1.5)].map(|(size, weight)| Weighted { size: Bytes(size), weight });
        assert_eq!(size("mix:100x9,1KiBx1.5"), Ok(Size::Mix(mix.to_vec())));
        assert_eq!(arrivals("burst:50"), Ok(Arrivals::Burst { messages: 50 }));
        assert_eq!(arrivals("ramp:1k"), Ok(Arrivals::Ramp { from: Rate(1000.0) }));
        assert_eq!(arrivals("closed"), Ok(Arrivals::Closed));
        assert_eq!(warm_up("auto"), Ok(WarmUp::Auto));
        assert_eq!(warm_up("5s"), Ok(WarmUp::Fixed(Span::seconds(5.0))));
    }

    #[test]
    fn mistakes_are_answered_with_what_there_is() {
        for text in ["uniform:100", "lognormal:1,2", "normal:3", "mix:100", "mix:100xmany", "lots"] {
            let told = size(text).expect_err(text);
            assert!(told.contains("write "), "{text}: {told}");
        }
        for text in ["burst", "burst:some", "ramp:", "poisson:3", "open"] {
            let told = arrivals(text).expect_err(text);
            assert!(told.contains("write "), "{text}: {told}");
        }
        assert!(warm_up("soon").expect_err("no length").ends_with("or auto"));
    }
}
