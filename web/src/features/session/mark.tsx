import { Group, Text } from '@mantine/core';

export function Mark({ compact = false }: { compact?: boolean }) {
  return (
    <Group gap={8} wrap="nowrap">
      <img src="/favicon.svg" width={26} height={26} alt="" />
      {!compact && <Text fw={700} fz={18} style={{ letterSpacing: '-0.02em' }}>Argosy</Text>}
    </Group>
  );
}
