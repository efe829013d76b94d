"""Which channels of a graph have to stay: what is constant, what is wanted, and what goes together."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from tf_tickets.compaction.carriers import Carried, chosen_carriers, parts
from tf_tickets.compaction.graph import Call, Graph
from tf_tickets.compaction.rule import Rule, attribute_of
from tf_tickets.compaction.rules import UNKNOWN, rule_of
from tf_tickets.compaction.site import Facts, Kept, Need, Site, Tie, channels_of
from tf_tickets.layers import value_of


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What was found.

    Attributes:
        sites: of each call, in order.
        rules: of each call.
        facts: of each tensor, by number.
        wanted: of each tensor, the channels that somebody computes with, constant or not.
        stays: of each tensor, the channels that have to stay.
        carriers: number of a tensor -> of each channel, the one that stands for it if it is constant and
            goes; -1 where none is needed.
        pins: name of a layer -> why all channels around it stay.
    """

    sites: tuple[Site, ...]
    rules: tuple[Rule, ...]
    facts: tuple[Facts, ...]
    wanted: tuple[np.ndarray, ...]
    stays: tuple[np.ndarray, ...]
    carriers: Mapping[int, np.ndarray]
    pins: Mapping[str, str]

    def kept(self, site: Site) -> Kept:
        """What stays around a call; of a layer that is shared, what any of its calls wants."""
        calls = (
            [other.call for other in self.sites if other.layer is site.layer] if site.shared else [site.call]
        )
        return Kept(
            inputs=tuple(self.stays[number] for number in site.call.inputs),
            outputs=tuple(self.stays[number] for number in site.call.outputs),
            wanted=tuple(
                np.any([self.wanted[call.outputs[place]] for call in calls], axis=0)
                for place in range(len(site.call.outputs))
            ),
            carriers=tuple(self.carriers.get(number) for number in site.call.inputs),
        )


def analyse(graph: Graph, weights: Mapping[int, Mapping[str, np.ndarray]]) -> Analysis:
    """Finds the channels that have to stay.

    A channel goes if, in every tensor that it is tied to, it is constant or nobody computes with it, and
    nobody insists on it. Zeros are told by every weight being zero, never by a sum.

    Args:
        graph: of the model.
        weights: `id` of a layer -> attribute -> array, where it is another than the layer's own.
    """
    sites, rules, of_layer = _rules(graph, weights)
    sizes = [channels_of(spec) for spec in graph.specs]
    facts = _forward(sites, rules, sizes)
    needs = _backward(graph, sites, rules, facts)
    labels = _classes(graph, sites, rules, sizes)
    stays_of = np.zeros(max((int(x.max()) + 1 for x in labels if len(x)), default=0), bool)
    for number, found in enumerate(facts):
        need = needs[number]
        stays_of[labels[number][need.pinned | (need.wanted & ~found.constant)]] = True
    carriers = _settle(sites, rules, facts, needs, labels, stays_of)
    pins, beside = {}, graph.beside()
    for site, rule in zip(sites, rules, strict=True):
        if id(site.call) in beside:
            continue
        reason = of_layer.get(id(site.layer)) or rule.stays_whole(site)
        if reason and any(map(any, site.sizes)) and not (rule is not UNKNOWN and _at_the_end(site)):
            pins[site.call.name] = reason
    stays = tuple(stays_of[of] for of in labels)
    wanted = tuple(need.wanted for need in needs)
    return Analysis(sites, rules, facts, wanted, stays, carriers, pins)


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What is known of channels whatever the weights are.

    Attributes:
        graph: of the model.
        sites: of each call, in order.
        labels: of each tensor, by number, a number for each channel: those that stay or go together have the
            same.
        pinned: the labels of channels that have to stay as they are.
    """

    graph: Graph
    sites: tuple[Site, ...]
    labels: tuple[np.ndarray, ...]
    pinned: np.ndarray


def surroundings_of(graph: Graph) -> Surroundings:
    """Which channels of a graph are tied to which, and which are pinned, were all of them to vary."""
    sites, rules, _ = _rules(graph, {})
    sizes = [channels_of(spec) for spec in graph.specs]
    needs = _backward(graph, sites, rules, tuple(Facts.varying(size) for size in sizes))
    labels = _classes(graph, sites, rules, sizes)
    pinned = [of[need.pinned] for of, need in zip(labels, needs, strict=True)]
    return Surroundings(graph, sites, labels, np.unique(np.concatenate(pinned)))


def _rules(
    graph: Graph, weights: Mapping[int, Mapping[str, np.ndarray]]
) -> tuple[tuple[Site, ...], tuple[Rule, ...], dict[int, str]]:
    """The site and the rule of each call; and `id` of a layer -> why channels around it stay, if they do."""
    calls_of = graph.calls_of()
    sites = tuple(
        Site(
            call, graph, _weights(call, weights), shared=_has_form(call) and len(calls_of[id(call.layer)]) > 1
        )
        for call in graph.calls
    )
    reasons = [_reason(site) for site in sites]
    of_layer = {id(site.layer): reason for site, reason in zip(sites, reasons, strict=True) if reason}
    rules = tuple(UNKNOWN if id(site.layer) in of_layer else rule_of(site.layer) for site in sites)
    return sites, rules, of_layer


def _has_form(call: Call) -> bool:
    """Whether the layer becomes another with fewer channels, for all its calls."""
    return rule_of(call.layer).has_form


def _weights(call: Call, others: Mapping[int, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    found = {}
    for name in rule_of(call.layer).weights:
        variable = attribute_of(call.layer, name)
        if variable is not None:
            found[name] = value_of(variable)
    return {**found, **others.get(id(call.layer), {})}


def _reason(site: Site) -> str | None:
    """Why channels around a call stay as they are."""
    given, got = site.sizes
    if not got or not all(got):
        return "what it gives has no channels of real numbers"
    _, kwargs = site.call.arguments(dict.fromkeys(site.call.inputs))
    if kwargs.get("training"):
        return "it is called with training=True"
    return rule_of(site.layer).unknown(site) if given else "it takes no tensors"


def _at_the_end(site: Site) -> bool:
    """Whether all that a call gives is an output of the model, which stays anyway."""
    return set(site.call.outputs) <= set(site.graph.outputs)


def _forward(sites: tuple[Site, ...], rules: tuple[Rule, ...], sizes: list[int]) -> tuple[Facts, ...]:
    facts = [Facts.varying(size) for size in sizes]
    for site, rule in zip(sites, rules, strict=True):
        given = [facts[number] for number in site.call.inputs]
        for number, found in zip(site.call.outputs, _constants(site, rule, given), strict=True):
            facts[number] = found
    return tuple(facts)


def _constants(site: Site, rule: Rule, given: Sequence[Facts]) -> list[Facts]:
    return (UNKNOWN if rule.stays_whole(site) else rule).constants(site, given)


def constants_of(graph: Graph, call: Call, given: Sequence[Facts]) -> list[Facts]:
    """What is known of the outputs of one call as its weights are now, from what is known of its inputs."""
    site = Site(call, graph, _weights(call, {}), shared=False)
    return _constants(site, UNKNOWN if _reason(site) else rule_of(call.layer), given)


def _backward(
    graph: Graph, sites: tuple[Site, ...], rules: tuple[Rule, ...], facts: tuple[Facts, ...]
) -> tuple[Need, ...]:
    """What is needed of each tensor, by anybody; what is pinned is wanted."""
    nothing = [np.zeros(len(fact.constant), bool) for fact in facts]
    found = _needed(graph, sites, rules, facts, nothing)
    # What a call of a shared layer is wanted for, the layer is: also for calls further on.
    while any(site.shared for site in sites):
        more = _needed(graph, sites, rules, facts, [need.wanted for need in found])
        if all(map(np.array_equal, (x.wanted for x in more), (x.wanted for x in found))):
            break
        found = more
    return tuple(dataclasses.replace(need, wanted=need.wanted | need.pinned) for need in found)


def _needed(
    graph: Graph,
    sites: tuple[Site, ...],
    rules: tuple[Rule, ...],
    facts: tuple[Facts, ...],
    before: Sequence[np.ndarray],
) -> list[Need]:
    """What is needed of each tensor, where calls of shared layers are wanted for what they were before."""
    found = [Need.only(wanted) for wanted in before]
    masks = (number for call in graph.calls for number in call.given_masks)
    for number in (*graph.inputs, *graph.outputs, *masks):
        found[number] = Need.everything(len(facts[number].constant))
    beside, calls_of = graph.beside(), graph.calls_of()
    for site, rule in zip(reversed(sites), reversed(rules), strict=True):
        if id(site.call) in beside:
            continue
        if rule is UNKNOWN or rule.stays_whole(site):
            for number in site.call.outputs:
                found[number] = Need.everything(len(facts[number].constant))
        given = [facts[number] for number in site.call.inputs]
        calls = calls_of[id(site.layer)] if site.shared and rule is not UNKNOWN else [site.call]
        asked = [
            np.any([found[call.outputs[place]].wanted for call in calls], axis=0) & ~facts[number].constant
            for place, number in enumerate(site.call.outputs)
        ]
        wanted = rule.wanted_within(site, given, asked)
        for number, more in zip(site.call.outputs, wanted, strict=True):
            found[number] = dataclasses.replace(found[number], wanted=found[number].wanted | more)
        for number, need in zip(site.call.inputs, rule.needs(site, given, wanted), strict=True):
            other = found[number]
            found[number] = Need(
                other.wanted | need.wanted,
                other.pinned | need.pinned,
                other.carried | need.carried,
                math.lcm(other.groups, need.groups),
            )
    return found


def _classes(
    graph: Graph, sites: tuple[Site, ...], rules: tuple[Rule, ...], sizes: list[int]
) -> tuple[np.ndarray, ...]:
    """Of each tensor, a number for each channel; channels that stay or go together have the same."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    firsts, seconds = [np.zeros(0, int)], [np.zeros(0, int)]
    for tie in _ties(sites, rules, sizes):
        first, second = tie.tensors
        firsts.append(starts[first] + tie.first)
        seconds.append(starts[second] + tie.second)
    rows, columns = np.concatenate(firsts), np.concatenate(seconds)
    pairs = scipy.sparse.coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(starts[-1],) * 2)
    _, labels = connected_components(pairs, directed=False)
    return tuple(labels[start:end] for start, end in itertools.pairwise(starts))


def _ties(sites: tuple[Site, ...], rules: tuple[Rule, ...], sizes: list[int]) -> Iterator[Tie]:
    first: dict[int, Site] = {}
    for site, rule in zip(sites, rules, strict=True):
        yield from rule.ties(site)
        # A layer has one form for all its calls.
        other = first.setdefault(id(site.layer), site).call
        if rule is not UNKNOWN and site.shared:
            pairs = zip((*other.inputs, *other.outputs), (*site.call.inputs, *site.call.outputs), strict=True)
            for one, another in pairs:
                if sizes[one] == sizes[another]:
                    yield Tie.of_all(one, another, sizes[one])


def _settle(
    sites: tuple[Site, ...],
    rules: tuple[Rule, ...],
    facts: tuple[Facts, ...],
    needs: tuple[Need, ...],
    labels: tuple[np.ndarray, ...],
    stays_of: np.ndarray,
) -> dict[int, np.ndarray]:
    """Lets more channels stay until every layer has a form; returns carriers as `Analysis` has them."""
    before = -1
    while before != int(stays_of.sum()):
        before = int(stays_of.sum())
        for number, of in enumerate(labels):
            if len(of) and not stays_of[of].any():
                stays_of[of[np.argmax(np.abs(facts[number].value))]] = True
        for site, rule in zip(sites, rules, strict=True):
            inputs, outputs = (
                tuple(stays_of[labels[number]] for number in numbers)
                for numbers in (site.call.inputs, site.call.outputs)
            )
            for number, positions in rule.balance(site, Kept(inputs, outputs, (), ())):
                stays_of[labels[number][positions]] = True
        lacking = [
            Carried(number, part, labels[number][part], facts[number].part(part))
            for number, need in enumerate(needs)
            for part in parts(len(labels[number]), need.groups)
            if (need.carried & ~stays_of[labels[number]])[part].any()
        ]
        stays_of[chosen_carriers(lacking, stays_of)] = True
    found: dict[int, np.ndarray] = {}
    for carried in lacking:
        of_tensor = found.setdefault(carried.tensor, np.full(len(labels[carried.tensor]), -1))
        of_tensor[carried.part] = carried.part.start + carried.usable(stays_of)
    return found
