"""The Pod Security Standard `restricted`, control by control: https://kubernetes.io/docs/concepts/security/pod-security-standards/.

Written from the standard's text for Linux pods; what it inherits from `baseline` is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Spec = Mapping[str, Any]

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
}
_SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_PROFILES = ("RuntimeDefault", "Localhost")


def violations(pod: Spec) -> list[str]:
    """Every control that the spec of a pod does not meet, by name; with the container's name where one is to blame."""
    of_pod = [name for name, met in _POD.items() if not met(pod)]
    return [*of_pod, *(f"{name}: {each['name']}" for each in _containers(pod) for name in _of_container(pod, each))]


def _of_container(pod: Spec, container: Spec) -> Iterator[str]:
    return (name for name, met in _CONTAINER.items() if not met(pod, container))


def _containers(pod: Spec) -> list[Spec]:
    return [each for key in ("initContainers", "containers", "ephemeralContainers") for each in pod.get(key, [])]


def _security(holder: Spec) -> Spec:
    context: Spec = holder.get("securityContext", {})
    return context


def _inherited(pod: Spec, container: Spec, key: str) -> Any:
    """A setting of the container, or where it has none that of its pod."""
    return _security(container).get(key, _security(pod).get(key))


def _capabilities(container: Spec, key: str) -> Sequence[str]:
    names: Sequence[str] = _security(container).get("capabilities", {}).get(key, [])
    return names


def _hosts(container: Spec) -> Iterator[Any]:
    """What probes and lifecycle hooks would connect to instead of the pod itself."""
    actions = [container.get(key, {}) for key in ("livenessProbe", "readinessProbe", "startupProbe")]
    actions += container.get("lifecycle", {}).values()
    return (action.get(how, {}).get("host") for action in actions for how in ("httpGet", "tcpSocket"))


_POD: Mapping[str, Callable[[Spec], bool]] = {
    "host namespaces": lambda pod: not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
    "volume types": lambda pod: all(set(each) - {"name"} <= _VOLUMES for each in pod.get("volumes", [])),
    "sysctls": lambda pod: all(each["name"] in _SYSCTLS for each in _security(pod).get("sysctls", [])),
}
_CONTAINER: Mapping[str, Callable[[Spec, Spec], bool]] = {
    "privileged": lambda _pod, each: not _security(each).get("privileged"),
    "privilege escalation": lambda _pod, each: _security(each).get("allowPrivilegeEscalation") is False,
    "running as non-root": lambda pod, each: _inherited(pod, each, "runAsNonRoot") is True,
    "running as user 0": lambda pod, each: _inherited(pod, each, "runAsUser") != 0,
    "seccomp": lambda pod, each: (_inherited(pod, each, "seccompProfile") or {}).get("type") in _PROFILES,
    "AppArmor": lambda pod, each: (_inherited(pod, each, "appArmorProfile") or {}).get("type") in (None, *_PROFILES),
    "SELinux": lambda pod, each: (_inherited(pod, each, "seLinuxOptions") or {}).get("type") in _SELINUX_TYPES,
    "capabilities dropped": lambda _pod, each: "ALL" in _capabilities(each, "drop"),
    "capabilities added": lambda _pod, each: set(_capabilities(each, "add")) <= {"NET_BIND_SERVICE"},
    "/proc mount": lambda _pod, each: _security(each).get("procMount", "Default") == "Default",
    "host ports": lambda _pod, each: not any(port.get("hostPort") for port in each.get("ports", [])),
    "host probes": lambda _pod, each: not any(_hosts(each)),
    "host process": lambda pod, each: not (_inherited(pod, each, "windowsOptions") or {}).get("hostProcess"),
}
