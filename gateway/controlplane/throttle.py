"""Failed logins, counted by address, so that nobody can try tokens for long.

An address that failed too often is not listened to for a while, right token or not: otherwise
guessing would only be slower to notice. The address is that of the connection; `x-forwarded-for`
is not looked at, since without a trusted proxy anybody can write it. An IPv6 client has a whole
/64 network, which counts as one address.

Memory is bounded: the addresses that failed longest ago are forgotten first.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

_SITE_BITS = 64


@dataclass(frozen=True, slots=True)
class ThrottleSettings:
    """How many failures are forgiven.

    Attributes:
        failures: In a row, before the address has to pause.
        recover_s: One failure is forgiven after so long.
        addresses: Remembered at most.
    """

    failures: int = 10
    recover_s: float = 6.0
    addresses: int = 4096


FORGIVING = ThrottleSettings()


class Throttle:
    """One process's memory of failed logins. A bucket of failures for each address."""

    def __init__(self, settings: ThrottleSettings = FORGIVING) -> None:
        self._settings = settings
        self._full_at_s: OrderedDict[str, float] = OrderedDict()
        """When the bucket of an address is full again, in seconds of the caller's clock."""

    def pause_s(self, address: str, now_s: float) -> float:
        """How long an address is still not listened to; 0: it is."""
        settings = self._settings
        debt_s = self._full_at_s.get(network_of(address), now_s) - now_s
        return max(0.0, debt_s - (settings.failures - 1) * settings.recover_s)

    def note_failure(self, address: str, now_s: float) -> None:
        """An address presented a wrong token."""
        network = network_of(address)
        since_s = max(now_s, self._full_at_s.pop(network, now_s))
        self._full_at_s[network] = since_s + self._settings.recover_s
        while len(self._full_at_s) > self._settings.addresses:
            self._full_at_s.popitem(last=False)

    def forgive(self, address: str) -> None:
        """An address presented a right token."""
        self._full_at_s.pop(network_of(address), None)

    def __len__(self) -> int:
        return len(self._full_at_s)


def network_of(address: str) -> str:
    """What counts as one address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _SITE_BITS), strict=False))
    return str(ip)
