/** A tile a device. Only what is in view is drawn, so that ten thousand devices scroll as ten do. */
import { Anchor, Box, Group, Text, Tooltip } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import { memo, useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { type DeviceUpdate, OUTCOME_COLOR } from '@/entities/deployment';
import { useFormat } from '@/shared/lib/hooks';

const HEIGHT = 68;
const MIN_WIDTH = 168;

export function Tiles({ updates, onEnd }: { updates: DeviceUpdate[]; onEnd: () => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const { ref, width } = useElementSize();
  const across = Math.max(1, Math.floor((width || MIN_WIDTH) / MIN_WIDTH));
  const rows = Math.ceil(updates.length / across);
  const virtual = useVirtualizer({ count: rows, getScrollElement: () => scroller.current, estimateSize: () => HEIGHT, overscan: 6 });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows - 4) onEnd();
  }, [last, rows, onEnd]);
  return (
    <Box ref={scroller} mah="60vh" px="md" pb="md" style={{ overflowY: 'auto', contain: 'strict', height: Math.min(rows * HEIGHT + 16, 560) }} tabIndex={0}>
      <Box ref={ref} pos="relative" h={virtual.getTotalSize()}>
        {items.map((row) => (
          <Box key={row.key} pos="absolute" left={0} right={0} top={0} h={HEIGHT} style={{ transform: `translateY(${row.start}px)`, display: 'grid', gridTemplateColumns: `repeat(${across}, minmax(0, 1fr))`, gap: 8 }}>
            {updates.slice(row.index * across, (row.index + 1) * across).map((update) => <Tile key={update.device_id} update={update} />)}
          </Box>
        ))}
      </Box>
    </Box>
  );
}

const Tile = memo(function Tile({ update: u }: { update: DeviceUpdate }) {
  const { t } = useTranslation();
  const f = useFormat();
  const [color, shade] = OUTCOME_COLOR[u.outcome].split('.');
  const percent = u.outcome === 'success' ? 100 : u.progress;
  const words = t(`updateState.${u.state}`);
  const label = [words, u.message, u.speed_bytes_per_s ? f.speed(u.speed_bytes_per_s) : null].filter(Boolean).join(' · ');
  return (
    <Tooltip label={label} multiline maw={320}>
      <Box h={HEIGHT - 8} px="sm" py={6} style={{ border: '1px solid var(--mantine-color-default-border)', borderRadius: 8, overflow: 'hidden', position: 'relative' }}>
        <Group justify="space-between" wrap="nowrap" gap={4}>
          <Anchor component={Link} to={`/device/${encodeURIComponent(u.key)}`} size="sm" fw={600} c="inherit" truncate>{u.key}</Anchor>
          <Text size="xs" c="dimmed" style={{ fontVariantNumeric: 'tabular-nums' }}>{percent}%</Text>
        </Group>
        <Text size="xs" c="dimmed" truncate>{u.message && u.outcome !== 'success' ? u.message : words}</Text>
        <Box aria-hidden pos="absolute" left={0} bottom={0} h={4} w="100%" style={{ transformOrigin: 'left', transform: `scaleX(${Math.max(percent, u.outcome === 'waiting' ? 0 : 3) / 100})`, background: `var(--mantine-color-${color}-${shade})` }} />
      </Box>
    </Tooltip>
  );
});
