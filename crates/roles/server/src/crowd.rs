//! How many are there, and how many of them from where.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bounds::QUARTERS_FOR_ONE;

/// So many at once, and no address more than its part.
#[derive(Debug)]
pub(crate) struct Crowd {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    n_all: usize,
    /// Those whose number is not 0.
    by_origin: HashMap<IpAddr, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Too many are there.
    Everybody,
    /// Too many are there from this address.
    ThisAddress,
}

/// A place, until dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    origin: Option<IpAddr>,
}

impl Crowd {
    pub(crate) fn new(most: usize) -> Crowd {
        Crowd { most, state: Mutex::default() }
    }

    /// A place for a peer; `None`: one without an address, which shares its number with nobody.
    pub(crate) fn enter(self: &Arc<Crowd>, peer: Option<IpAddr>) -> Result<Place, Full> {
        let origin = peer.map(origin);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.n_all >= self.most {
            return Err(Full::Everybody);
        }
        if let Some(origin) = origin {
            let n_before = state.by_origin.get(&origin).copied().unwrap_or_default();
            if n_before >= (self.most * QUARTERS_FOR_ONE / 4).max(1) {
                return Err(Full::ThisAddress);
            }
            state.by_origin.insert(origin, n_before + 1);
        }
        state.n_all += 1;
        Ok(Place { crowd: Arc::clone(self), origin })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).n_all == 0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.crowd.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.n_all -= 1;
        if let Some(origin) = self.origin
            && let Some(n) = state.by_origin.get_mut(&origin)
        {
            *n -= 1;
            if *n == 0 {
                state.by_origin.remove(&origin);
            }
        }
    }
}

/// Whom a peer counts for: its address, of IPv6 only the network, since one machine has as many
/// addresses there as it likes.
fn origin(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let crowd = Arc::new(Crowd::new(4));
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let mut places: Vec<Place> = (0..3).map(|_| crowd.enter(one).unwrap()).collect();
        assert_eq!(crowd.enter(one).unwrap_err(), Full::ThisAddress);
        assert_eq!(crowd.enter(address("::ffff:10.0.0.1")).unwrap_err(), Full::ThisAddress);
        places.push(crowd.enter(other).unwrap());
        assert_eq!(crowd.enter(other).unwrap_err(), Full::Everybody);
        assert_eq!(crowd.enter(None).unwrap_err(), Full::Everybody);
        drop(places);
        assert!(crowd.is_empty() && crowd.state.lock().unwrap().by_origin.is_empty());
        assert!(crowd.enter(one).is_ok());
    }

    #[test]
    fn a_network_of_the_sixth_version_is_one_address() {
        let crowd = Arc::new(Crowd::new(2));
        let _place = crowd.enter(address("2001:db8::1")).unwrap();
        assert_eq!(crowd.enter(address("2001:db8::2")).unwrap_err(), Full::ThisAddress);
        assert!(crowd.enter(address("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn the_smallest_crowd_has_a_place_for_anybody() {
        let crowd = Arc::new(Crowd::new(1));
        assert!(crowd.enter(address("10.0.0.1")).is_ok());
    }
}
