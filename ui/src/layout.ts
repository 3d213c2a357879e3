// A picture of a small graph: springs along ties, all nodes push each other away. No chance in it: the same graph, the
// same picture.

import type { Neighbourhood } from "./records";

export interface Spot {
  x: number;
  y: number;
}

const ROUNDS = 300;
const LENGTH = 110; // of a tie at rest
const WIDER = 1.25; // screens are
const GOLDEN = Math.PI * (3 - Math.sqrt(5)); // turns that fill a disc evenly

export function layout(graph: Neighbourhood): Map<string, Spot> {
  const spots = graph.nodes.map((_, i) => ({
    x: Math.cos(i * GOLDEN) * 60 * Math.sqrt(i),
    y: Math.sin(i * GOLDEN) * 60 * Math.sqrt(i),
  }));
  const place = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const ties = graph.ties
    .map((tie) => [place.get(tie.source), place.get(tie.target)] as const)
    .filter((tie): tie is readonly [number, number] => tie[0] !== undefined && tie[1] !== undefined);
  for (let round = 0; round < ROUNDS; round += 1) {
    const heat = 18 * (1 - round / ROUNDS) + 0.5;
    const pull = spots.map(({ x, y }) => ({ x: -x * 0.012, y: -y * 0.02 })); // towards the middle, flatter than wide
    for (let i = 0; i < spots.length; i += 1) {
      for (let k = i + 1; k < spots.length; k += 1) {
        // Labels are wide and low: what lies side by side is nearer than it looks.
        const [dx, dy] = [(spots[i]!.x - spots[k]!.x) / 1.9 || 0.1, (spots[i]!.y - spots[k]!.y) * 1.5 || 0.1];
        const push = (LENGTH * LENGTH) / (dx * dx + dy * dy + 1);
        pull[i]!.x += dx * push * 0.06;
        pull[i]!.y += dy * push * 0.06;
        pull[k]!.x -= dx * push * 0.06;
        pull[k]!.y -= dy * push * 0.06;
      }
    }
    for (const [a, b] of ties) {
      const [dx, dy] = [spots[b]!.x - spots[a]!.x, spots[b]!.y - spots[a]!.y];
      const stretch = (Math.hypot(dx, dy) - LENGTH) / LENGTH;
      pull[a]!.x += dx * stretch * 0.1;
      pull[a]!.y += dy * stretch * 0.1;
      pull[b]!.x -= dx * stretch * 0.1;
      pull[b]!.y -= dy * stretch * 0.1;
    }
    spots.forEach((spot, i) => {
      const far = Math.hypot(pull[i]!.x, pull[i]!.y) || 1;
      spot.x += (pull[i]!.x / far) * Math.min(far, heat);
      spot.y += (pull[i]!.y / far) * Math.min(far, heat);
    });
  }
  return new Map(graph.nodes.map((node, i) => [node.id, { x: spots[i]!.x * WIDER, y: spots[i]!.y / WIDER }]));
}
