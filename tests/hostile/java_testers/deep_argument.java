// An argument nested too deeply.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        List<Object> deep = new ArrayList<>();
        for (int i = 0; i < 100_000; i++) {
            deep = new ArrayList<>(List.of(deep));
        }
        s.positives((List<Integer>) (List<?>) deep);
    }
}
