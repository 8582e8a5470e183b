import type { ComponentChildren } from 'preact';

function Icon({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const SearchIcon = () => (
  <Icon>
    <circle cx="11" cy="11" r="6.5" />
    <path d="m16 16 4.5 4.5" />
  </Icon>
);

export const PictureIcon = () => (
  <Icon>
    <rect x="3.5" y="5" width="17" height="14" rx="2.5" />
    <circle cx="9" cy="10" r="1.5" />
    <path d="m4 17 5-4 3.5 2.500L16 12l4.5 4" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m6 6 12 12M18 6 6 18" />
  </Icon>
);

export const ArrowIcon = () => (
  <Icon>
    <path d="M8 16 16.5 7.500M9.5 7.500h7v7" />
  </Icon>
);

export const LikeIcon = () => (
  <Icon>
    <rect x="4" y="4" width="10" height="10" rx="2" />
    <path d="M17.5 9.500v0A2.5 2.5 0 0 1 20 12v6a2 2 0 0 1-2 2h-6a2.5 2.5 0 0 1-2.5-2.5" />
  </Icon>
);

export const ShuffleIcon = () => (
  <Icon>
    <path d="M4 8h3.500c4.5 0 4.5 8 9 8H20m-2.5-2.500L20 16l-2.5 2.500M4 16h3.500c1.3 0 2.2-.7 3-1.700m3-4.600c.8-1 1.7-1.7 3-1.700H20m-2.5-2.500L20 8l-2.5 2.5" />
  </Icon>
);

/** An ear of wheat: what gleaners gather. */
export const WheatIcon = () => (
  <svg class="icon wheat" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
    <path d="M12 22V8" />
    <path d="M12 10c-2.8-.3-4.4-1.9-4.7-4.700C10.1 5.6 11.7 7.2 12 10Zm0 0c2.8-.3 4.4-1.9 4.7-4.700C13.9 5.6 12.3 7.2 12 10ZM12 16c-2.8-.3-4.4-1.9-4.7-4.7 2.8.3 4.4 1.9 4.7 4.700Zm0 0c2.8-.3 4.4-1.9 4.7-4.7-2.8.3-4.4 1.9-4.7 4.700Z" />
  </svg>
);

export const MinusIcon = () => (
  <Icon>
    <path d="M5.500 12h13" />
  </Icon>
);

export const PlusIcon = () => (
  <Icon>
    <path d="M5.500 12h13M12 5.500v13" />
  </Icon>
);

export const ChevronIcon = () => (
  <Icon>
    <path d="m7 10 5 5 5-5" />
  </Icon>
);

export const DownloadIcon = () => (
  <Icon>
    <path d="M12 4.500v10m-4-4 4 4 4-4M5 19h14" />
  </Icon>
);

export const FlagIcon = () => (
  <Icon>
    <path d="M6 20.500v-16h11.5l-2.500 4 2.500 4H6" />
  </Icon>
);

export const LinkIcon = () => (
  <Icon>
    <path d="M10 14a3.700 3.700 0 0 0 5.300 0l3-3A3.700 3.700 0 0 0 13 5.700l-1 1M14 10a3.700 3.700 0 0 0-5.300 0l-3 3a3.700 3.700 0 0 0 5.300 5.300l1-1" />
  </Icon>
);

export const DoneIcon = () => (
  <Icon>
    <path d="m5 12.500 4.500 4.500L19 7.500" />
  </Icon>
);

export const WebIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.500" />
    <path d="M3.500 12h17M12 3.500c5 5 5 12 0 17-5-5-5-12 0-17Z" />
  </Icon>
);

/** A frame with nothing in it. */
export const GoneIcon = () => (
  <Icon>
    <path d="M9 5h9a2.500 2.500 0 0 1 2.500 2.500v9M17 19H6a2.500 2.500 0 0 1-2.500-2.500v-9A2.500 2.500 0 0 1 5 5.200M4 4l16 16" />
  </Icon>
);

export const OfflineIcon = () => (
  <Icon>
    <path d="M12 18.500h.01M8.500 15a5 5 0 0 1 7 0M5 11.500c1.300-1.300 2.900-2.200 4.600-2.600m4.800 0c1.700.4 3.300 1.300 4.600 2.600M4 4l16 16" />
  </Icon>
);

export const BusyIcon = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.500" />
    <path d="M12 7.500V12l3 2" />
  </Icon>
);

export const CloudIcon = () => (
  <Icon>
    <path d="M7.500 18.500a4 4 0 0 1-.5-8 5.500 5.500 0 0 1 10.500.7 3.700 3.700 0 0 1 0 7.300Z" />
    <path d="M12 11v3m0 2.200v.01" />
  </Icon>
);

/** Squares as many as pictures of a size beside each other. */
export const GridIcon = ({ columns }: { readonly columns: 1 | 2 | 3 }) => {
  const side = [15, 6.5, 3.8][columns - 1] ?? 0;
  const places = Array.from({ length: columns }, (_, i) => 4.5 + i * (columns === 2 ? 8.5 : 5.6));
  return (
    <Icon>
      {places.flatMap((y) =>
        places.map((x) => <rect key={`${x} ${y}`} x={x} y={y} width={side} height={side} rx="1" />),
      )}
    </Icon>
  );
};
