import { Badge, Group, Text } from '@mantine/core';
import { IconPlugConnected, IconPlugConnectedX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { type Schemas } from '@/shared/api';
import { When } from '@/shared/ui';

const STATE_COLOR: Record<Schemas['DeviceState'], string> = { active: 'teal', unregistered: 'blue', suspended: 'red' };

export function DeviceStateBadge({ state }: { state: Schemas['DeviceState'] }) {
  const { t } = useTranslation();
  return <Badge color={STATE_COLOR[state]}>{t(`deviceState.${state}`)}</Badge>;
}

/** Connected or since when not: said in words and by shape, not by colour alone. */
export function Online({ online, since }: { online: boolean; since?: string | null }) {
  const { t } = useTranslation();
  return (
    <Group gap={6} wrap="nowrap" style={{ display: 'inline-flex' }}>
      {online ? (
        <IconPlugConnected size={16} color="var(--mantine-color-teal-6)" aria-hidden />
      ) : (
        <IconPlugConnectedX size={16} color="var(--mantine-color-gray-6)" aria-hidden />
      )}
      <Text span size="sm">{online ? t('device.online') : t('device.offline')}</Text>
      {!online && since && <Text span size="xs" c="dimmed"><When at={since} /></Text>}
    </Group>
  );
}
