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
