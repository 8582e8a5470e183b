function Icon({ d }: { readonly d: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={d} />
    </svg>
  );
}

export const PlusIcon = () => <Icon d="M12 5v14M5 12h14" />;
export const MinusIcon = () => <Icon d="M5 12h14" />;
/** The four corners of what is seen when all is. */
export const WholeIcon = () => <Icon d="M5 9V5h4M15 5h4v4M19 15v4h-4M9 19H5v-4" />;
