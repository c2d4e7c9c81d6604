/** Asks before something that cannot be taken back; a large action wants its number typed. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';

interface Props {
  opened: boolean;
  onClose: () => void;
  onConfirm: () => void;
  title: string;
  children: ReactNode;
  confirmLabel: string;
  danger?: boolean;
  busy?: boolean;
  /** This many devices are touched: the number is to be typed from ten on. */
  count?: number;
}

export const TYPED_FROM = 10;

export function Confirm({ opened, onClose, onConfirm, title, children, confirmLabel, danger, busy, count }: Props) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const needsTyping = count !== undefined && count >= TYPED_FROM;
  const ready = !needsTyping || typed.replace(/[\s,.]/g, '') === String(count);
  const close = () => {
    setTyped('');
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={title}>
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) onConfirm();
        }}
      >
        <Stack>
          <Text size="sm" component="div">{children}</Text>
          {needsTyping && (
            <TextInput label={t('confirm.type', { count })} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} inputMode="numeric" autoComplete="off" data-autofocus />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{t('action.back')}</Button>
            <Button type="submit" color={danger ? 'red' : undefined} disabled={!ready} loading={busy}>{confirmLabel}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
