/** Signs on the map's buttons. */

const PATHS = {
  pan: "M8 1.5v13M1.5 8h13M8 1.5 6.2 3.6M8 1.5l1.8 2.1M8 14.5l-1.8-2.1M8 14.5l1.8-2.1M1.5 8l2.1-1.8M1.5 8l2.1 1.8M14.5 8l-2.1-1.8M14.5 8l-2.1 1.8",
  lasso: "M5.2 12.2C2.6 11.4 1.2 9.700 1.400 7.400 1.700 4.200 5 2 9 2.300c3.600.3 5.800 2.500 5.500 5.200-.3 3-3.500 5-7.300 4.900M5.200 12.200a1.400 1.400 0 1 0 1.900.2c-.2 1.200-.9 1.900-2.100 2.400",
  box: "M2 5V2h3M8 2h0M11 2h3v3M14 8h0M14 11v3h-3M8 14h0M5 14H2v-3M2 8h0",
  new: "M4 8l3 3 5-6",
  add: "M8 3v10M3 8h10",
  less: "M3 8h10",
  all: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4M6 8a2 2 0 1 0 4 0 2 2 0 1 0-4 0",
  kept: "M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M5 6h0M10 5h0M8 8.500h0M6 11h0M11 10.500h0",
  save: "M8 2v8M4.700 7 8 10.300 11.300 7M2.500 13.500h11",
} as const;

export type Sign = keyof typeof PATHS;

export function Icon({ of }: { of: Sign }) {
  return (
    <svg class="map-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[of]} fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
