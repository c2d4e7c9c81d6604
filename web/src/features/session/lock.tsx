import { Alert, Button, PasswordInput, Stack } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAccountActions } from '@/entities/account';
import { Sheet } from './login';

/** Nothing is shown or asked of the server until it has checked the password. */
export function Locked({ name, onUnlock }: { name: string; onUnlock: () => void }) {
  const { t } = useTranslation();
  const { login } = useAccountActions();
  const client = useQueryClient();
  const [password, setPassword] = useState('');
  return (
    <Sheet title={t('lock.title')} lead={t('lock.lead', { name })}>
      <form
        onSubmit={async (e) => {
          e.preventDefault();
          await login.mutateAsync({ name, password }).then(() => {
            void client.invalidateQueries();
            onUnlock();
          }, () => setPassword(''));
        }}
      >
        <Stack>
          {login.error && <Alert color="red" role="alert">{login.error.message}</Alert>}
          <input type="text" name="username" value={name} autoComplete="username" readOnly hidden />
          <PasswordInput label={t('login.password')} value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="current-password" required data-autofocus />
          <Button type="submit" loading={login.isPending}>{t('lock.open')}</Button>
        </Stack>
      </form>
    </Sheet>
  );
}
